package site

import (
	"errors"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
)

const (
	rax Registers = 1 << 0
	rdx Registers = 1 << 2
	rsi Registers = 1 << 6
	rdi Registers = 1 << 7
)

func TestALaterEntryIsPassedByEveryCallWithWhatIsRead(t *testing.T) {
	const (
		movEDX = "\xba\x01\x00\x00\x00"         // mov $1,%edx
		jump   = "\xe9\x00\x10\x00\x00"         // jmp away
		movBX  = "\x48\x89\xfb"                 // mov %rdi,%rbx
		movBP  = "\x48\x89\xe5"                 // mov %rsp,%rbp
		movDH  = "\xb6\x01"                     // mov $1,%dh
		lea    = "\x48\x8d\x87\x97\x00\x00\x00" // lea 0x97(%rdi),%rax
	)
	for _, c := range []struct {
		name   string
		code   []byte
		cold   []Part
		reads  Registers
		offset uint64 // 0: none
	}{
		{"a register that is not read", asm(movEDX, jump), nil, rdi | rsi, 5},
		{"one that is read", asm(movEDX, jump), nil, rdi | rdx, 0},
		{"half of one", asm(movDH, jump), nil, rdi, 0},
		{"several", asm(endbr64, xorEAX, movEDX, jump), nil, rdi, 11},
		{"several, the last of which is read", asm(endbr64, xorEAX, movEDX, jump), nil, rdx, 0},
		{"an address is no access", asm(lea, push, ret), nil, rdi, 7},
		{"an access is one", asm(loadDI, push, ret), nil, rdi, 0},
		{"registers that the caller keeps", asm(movBX, push, ret), nil, rdi, 0},
		{"the frame pointer", asm(movBP, push, ret), nil, rdi, 0},
		{"the stack pointer", asm(sub8, push, ret), nil, rdi, 0},
		{"a branch to it", asm(movEDX, push, "\x75\xfd", ret), nil, rdi, 0},
		{"a branch to it from a part elsewhere", asm(movEDX, push, ret), []Part{{0x1000, asm("\xe9\x00\xf0\xff\xff")}}, rdi, 0},
		{"a branch to behind it", asm(movEDX, push, ret), []Part{{0x1000, asm("\xe9\x01\xf0\xff\xff")}}, rdi, 5},
		{"a part elsewhere that may jump anywhere", asm(movEDX, push, ret), []Part{{0x1000, asm("\xff\xe0")}}, rdi, 0},
		{"what is cheap already", asm(push, ret), nil, 0, 0},
	} {
		got, ok := LaterEntry(c.code, c.cold, c.reads)
		if ok != (c.offset > 0) || got.Offset != c.offset || ok && got.Cost != Emulated {
			t.Errorf("%s: %+v, %v, want +%d", c.name, got, ok, c.offset)
		}
	}
}

// Of every function of the corpus: the instructions that are passed, as objdump has them, leave alone what is read.
func TestLaterEntriesPassNothingThatIsRead(t *testing.T) {
	const reads = rdi | rsi | rdx
	names := []string{"di", "si", "dx", "dl", "dh", "sp", "bp"}
	for _, o := range corpus(t) {
		if o.lang == event.LangGo {
			continue
		}
		lines := o.disassembly(t)
		found := 0
		for _, f := range o.functions {
			c, ok := LaterEntry(f.code, nil, reads)
			if _, err := ChooseEntry(f.code, o.lang); !ok || errors.Is(err, ErrRefused) || !o.compared(f) {
				continue
			}
			found++
			if _, ok := lines[f.addr+c.Offset]; !ok {
				t.Errorf("%s: %s+%#x is no instruction for objdump", o.path, f.name, c.Offset)
			}
			for at := f.addr; at < f.addr+c.Offset; at++ {
				l, ok := lines[at]
				text := l.text
				if !ok {
					continue
				}
				op, operands, _ := strings.Cut(text, " ")
				operands = strings.TrimSpace(strings.SplitN(operands, "#", 2)[0])
				written := operands[strings.LastIndex(operands, ",")+1:]
				if strings.HasPrefix(op, "test") || strings.HasPrefix(op, "cmp") || strings.HasPrefix(op, "endbr") || strings.HasPrefix(op, "nop") {
					continue
				}
				for _, name := range names {
					if strings.HasSuffix(written, name) || strings.HasSuffix(written, name+"l") || strings.HasPrefix(op, "push") || strings.Contains(written, "(") {
						t.Errorf("%s: %s: +%#x passes %s", o.path, f.name, c.Offset, text)
					}
				}
			}
		}
		t.Logf("%s: %d of %d functions", o.path, found, len(o.functions))
	}
}
