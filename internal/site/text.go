package site

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// Text is the instruction in AT&T syntax, branches relative to their own start (".+0x12"), bytes when nothing better
// is known.
func (in Inst) Text() string {
	switch {
	case in.is(endbr64):
		return "endbr64"
	case in.is(nop5):
		return "nopl 0x0(%rax,%rax,1)"
	case in.enc.vector && in.enc.opmap == map0F && in.enc.op == 0x77:
		return "vzeroupper"
	}
	if in.Flow == JumpIndirect && in.code[0] == 0x3e {
		rest := in
		rest.code, rest.Len = in.code[1:], in.Len-1
		return "notrack " + rest.Text()
	}
	inst, ok := in.asm()
	if !ok {
		return in.raw()
	}
	words := strings.Fields(x86asm.GNUSyntax(inst, 0, nil))
	for i, word := range words {
		switch word {
		case "retq", "leaveq", "callq", "jmpq", "pushq", "popq": // binutils stopped writing the suffix in 2.36
			words[i] = word[:len(word)-1]
		}
	}
	return strings.Join(words, " ")
}

func (in Inst) raw() string {
	bytes := make([]string, len(in.code))
	for i, b := range in.code {
		bytes[i] = fmt.Sprintf("%#02x", b)
	}
	return ".byte " + strings.Join(bytes, ",")
}
