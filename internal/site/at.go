package site

import (
	"fmt"

	"github.com/sonde-project/sonde/script"
)

// At chooses the instruction at an offset of the function that the user named. A *script.Diagnostic with code
// no-instruction says that none begins there: a probe in the middle of one would change what the program does. Errors
// that wrap ErrRefused come with the Choice.
func At(code []byte, offset uint64) (Choice, error) {
	if offset >= uint64(len(code)) {
		return Choice{}, &script.Diagnostic{Code: "no-instruction",
			Message: fmt.Sprintf("offset %#x lies outside the function, which has %#x bytes", offset, len(code))}
	}
	insts, err := Decode(code)
	for _, in := range insts {
		switch {
		case in.Offset == offset:
			return in.choice(Inside, "asked for")
		case in.End() > offset:
			return Choice{}, middle(in, offset)
		}
	}
	return Choice{}, &script.Diagnostic{Code: "no-instruction",
		Message: fmt.Sprintf("what is at offset %#x cannot be told: %v", offset, err)}
}

func middle(in Inst, offset uint64) error {
	return &script.Diagnostic{Code: "no-instruction",
		Message: fmt.Sprintf("offset %#x is in the middle of an instruction", offset),
		Hints:   []string{fmt.Sprintf("instructions begin at +%#x (%s) and at +%#x", in.Offset, in.Text(), in.End())}}
}
