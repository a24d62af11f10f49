// Package x86 writes x86-64 machine code: the forms that the engine in the process needs, and no others.
//
// In: calls, one per instruction; labels. Out: bytes for a given address. Invariant: what cannot be encoded (a jump too far, an
// immediate too wide) is an error of Assemble, never other code than what was asked for. It must not know what the code is for.
//
// Encodings are those of the Intel SDM, volume 2; the tests decode them again.
package x86

// Reg is a general register, numbered as in instructions.
type Reg uint8

const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// Size is the width of an operation in bytes.
type Size uint8

const (
	Byte Size = 1
	Half Size = 2
	Word Size = 4 // writing it clears the upper half of a register
	Quad Size = 8
)

// Cond is a condition as jumps encode it; the lowest bit negates.
type Cond uint8

const (
	Overflow     Cond = 0x0
	NoOverflow   Cond = 0x1
	Below        Cond = 0x2 // unsigned
	AboveEqual   Cond = 0x3
	Equal        Cond = 0x4
	NotEqual     Cond = 0x5
	BelowEqual   Cond = 0x6
	Above        Cond = 0x7
	Sign         Cond = 0x8
	NoSign       Cond = 0x9
	Less         Cond = 0xc // signed
	GreaterEqual Cond = 0xd
	LessEqual    Cond = 0xe
	Greater      Cond = 0xf
)

// Not is the opposite condition.
func (c Cond) Not() Cond { return c ^ 1 }

// Mem is an operand in memory.
type Mem struct {
	base, index Reg
	scale       uint8 // 0: no index
	disp        int32
	kind        memKind
	label       Label
	fs          bool
}

type memKind uint8

const (
	based memKind = iota
	absolute
	relative // to a label
)

// At is memory at a distance from a register.
func At(base Reg, disp int32) Mem { return Mem{base: base, disp: disp} }

// Plus is memory so many bytes behind.
func (m Mem) Plus(disp int32) Mem {
	m.disp += disp
	return m
}

// AtIndex is memory at base + index*scale + disp; scale is 1, 2, 4 or 8, and index not RSP.
func AtIndex(base, index Reg, scale uint8, disp int32) Mem {
	return Mem{base: base, index: index, scale: scale, disp: disp}
}

// AtFS is memory of the thread: at a distance from the FS base.
func AtFS(disp int32) Mem { return Mem{kind: absolute, disp: disp, fs: true} }

// AtFSReg is memory at a distance from the FS base that a register holds.
func AtFSReg(base Reg, disp int32) Mem { return Mem{base: base, disp: disp, fs: true} }

// AtAbs is memory at an address within the first or last 2 GiB.
func AtAbs(addr int32) Mem { return Mem{kind: absolute, disp: addr} }

// AtLabel is memory at a distance from a label, addressed relative to the instruction.
func AtLabel(l Label, disp int32) Mem { return Mem{kind: relative, label: l, disp: disp} }
