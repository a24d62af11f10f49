package ctype

// Register numbers a general register in DWARF order of amd64: 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi,
// 6 rbp, 7 rsp, 8 to 15 r8 to r15. Source: System V ABI for AMD64, figure 3.36. 17 to 32 are xmm0 to xmm15.
type Register uint8

const (
	RAX Register = iota
	RDX
	RCX
	RBX
	RSI
	RDI
	RBP
	RSP
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	_
	XMM0 // XMM0+n is xmm n
)

// Vector reports whether the register is beyond what a uprobe program sees.
func (r Register) Vector() bool { return r >= XMM0 }

// PieceKind says where a piece of a value lies.
type PieceKind uint8

const (
	InRegister PieceKind = iota // Reg
	OnStack                     // at [entry rsp + Offset]; offset 0 is the return address
	InX87                       // st(0): not readable
	InMemory                    // at [Reg + Offset]: by-reference passing (the register holds the value's address)
	Absolute                    // at the ELF address Offset
	Nowhere                     // optimised out
)

// Piece is a run of bytes of a value: Size bytes from At of the value lie at the place.
type Piece struct {
	Kind   PieceKind
	Reg    Register
	Offset int64
	At     int64 // offset inside the value
	Size   int64
}

// Placement is where a function's parameters are at entry and its results at return.
// Params[i] and Results[i] follow the signature's order. At return OnStack offsets are relative to the
// entry rsp as well (the stack pointer at a ret equals it), and InMemory results name RAX.
type Placement struct {
	Params  [][]Piece
	Results [][]Piece
}
