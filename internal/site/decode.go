package site

import (
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

// Flow says where control goes after an instruction.
type Flow uint8

const (
	Next         Flow = iota // on to the following one
	Jump                     // to Target
	CondJump                 // to Target or on
	Call                     // to Target, and back
	JumpIndirect             // to where a register or memory says
	CallIndirect             //
	Return                   // ret
	Stop                     // ud2, hlt: not on
)

// Inst is one decoded instruction.
type Inst struct {
	Offset uint64 // from the start of the function
	Len    int
	Flow   Flow
	Target int64 // of Jump, CondJump and Call, relative to the function; may lie outside
	code   []byte
	enc    encoding
}

// End is the offset of the instruction after this one.
func (in Inst) End() uint64 { return in.Offset + uint64(in.Len) }

// Bytes is the instruction itself.
func (in Inst) Bytes() []byte { return in.code }

// Relative gives where the bytes lie that depend on the instruction's own address (the displacement of a branch, or
// that of a memory operand relative to rip), and how many; length 0 when it can run anywhere.
func (in Inst) Relative() (offset, length int) {
	switch {
	case in.Flow == Jump, in.Flow == CondJump, in.Flow == Call:
		return int(in.enc.immOff), int(in.enc.immLen)
	case in.enc.ripRelative():
		return int(in.enc.dispOff), int(in.enc.dispLen)
	}
	return 0, 0
}

// DecodeError says where code stops being instructions.
type DecodeError struct {
	Offset uint64
	Err    error
}

func (e *DecodeError) Error() string { return fmt.Sprintf("byte %#x: %v", e.Offset, e.Err) }
func (e *DecodeError) Unwrap() error { return e.Err }

// Decode reads the instructions of one function, one after the other. With an error come those before it.
func Decode(code []byte) ([]Inst, error) { return DecodeTo(make([]Inst, 0, len(code)/4), code) }

// DecodeTo is Decode that puts the instructions behind others.
func DecodeTo(insts []Inst, code []byte) ([]Inst, error) {
	for at := 0; at < len(code); {
		in, err := decodeOne(code, at)
		if err != nil {
			return insts, err
		}
		insts = append(insts, in)
		at += in.Len
	}
	return insts, nil
}

func decodeOne(code []byte, at int) (Inst, error) {
	enc, err := parse(code[at:])
	if err != nil {
		return Inst{}, &DecodeError{Offset: uint64(at), Err: err}
	}
	in := Inst{Offset: uint64(at), Len: int(enc.len), enc: enc}
	in.code = code[at : at+in.Len : at+in.Len]
	in.Flow = enc.flow()
	if in.Flow == Jump || in.Flow == CondJump || in.Flow == Call {
		in.Target = int64(in.End()) + signed(in.code, enc.immOff, enc.immLen)
	}
	return in, nil
}

// flow classifies by opcode.
func (e *encoding) flow() Flow {
	if e.vector {
		return Next
	}
	op, reg := e.op, e.modrm>>3&7
	switch e.opmap {
	case map0F:
		switch {
		case op >= 0x80 && op < 0x90:
			return CondJump
		case op == 0x0b, op == 0xb9, op == 0xff, op == 0x07, op == 0x35:
			return Stop // ud2, ud1, ud0, sysret, sysexit
		}
		return Next
	case oneByte:
	default:
		return Next
	}
	switch {
	case op >= 0x70 && op < 0x80, op >= 0xe0 && op < 0xe4:
		return CondJump
	case op == 0xc7 && e.modrm == 0xf8:
		return CondJump // xbegin goes to Target when the transaction aborts
	case op == 0xe9, op == 0xeb:
		return Jump
	case op == 0xe8:
		return Call
	case op == 0xc3, op == 0xc2, op == 0xcb, op == 0xca:
		return Return
	case op == 0xcf, op == 0xf4:
		return Stop // iret, hlt; a debugger goes on after int3
	case op == 0xff && (reg == 2 || reg == 3):
		return CallIndirect
	case op == 0xff && (reg == 4 || reg == 5):
		return JumpIndirect
	}
	return Next
}

// asm gives the operands. ok is false for what the library does not know, or reads with another length: it takes
// endbr64 for a lone prefix and vzeroupper for four bytes.
func (in Inst) asm() (x86asm.Inst, bool) {
	inst, err := x86asm.Decode(in.code, 64)
	return inst, err == nil && inst.Len == in.Len && inst.Op != 0
}

// is reports whether the instruction's bytes are these.
func (in Inst) is(bytes string) bool { return string(in.code) == bytes }

const (
	endbr64 = "\xf3\x0f\x1e\xfa"
	nop5    = "\x0f\x1f\x44\x00\x00"
)

// nop reports whether the instruction does nothing: what compilers and linkers pad with.
func (in Inst) nop() bool {
	e := &in.enc
	switch {
	case e.vector:
		return false
	case e.opmap == oneByte && e.op == 0x90:
		return !e.rep && e.rex&1 == 0 // pause; xchg %r8,%rax
	case e.opmap == map0F && e.op == 0x1f:
		return true
	}
	// xchg %ax,%ax has op 0x90; lea 0(%rsi),%rsi and mov %rax,%rax are rare and left out.
	return false
}
