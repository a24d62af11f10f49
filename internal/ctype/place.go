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
	InRegister       PieceKind = iota // Reg
	OnStack                           // at [entry rsp + Offset]; offset 0 is the return address
	InX87                             // st(0): not readable
	InMemory                          // at [Reg + Offset]: by-reference passing (the register holds the value's address)
	Absolute                          // at the ELF address Offset
	Nowhere                           // optimised out, or the type is not known well enough to say
	ByStackedAddress                  // the word at [entry rsp + Offset] is the value's address: by-reference passing without a free register
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
//
// A value without bytes (an empty struct) has no pieces. A value whose type is incomplete has one piece Nowhere, and
// so has everything that the convention places after it.
type Placement struct {
	Params  [][]Piece
	Results [][]Piece
	// Hidden: the caller passed the address of a place for the result in rdi, and that is where the result is at return.
	// rax repeats the address as the ABI demands, but not where LLVM uses a convention of its own (fastcc) for functions
	// whose callers it knows, which are most of Rust's. What rdi was at entry is always right.
	Hidden bool
}

// Place says where the convention puts what the signature names. A variadic call's further arguments are placed by
// appending them to Params. What the debug information knows better (Param.Where) wins.
func Place(sig *Signature) Placement {
	var p Placement
	switch sig.Convention {
	case GoRegs:
		p = placeGo(sig, goInts, goFloats)
	case GoStack:
		p = placeGo(sig, nil, nil)
	case RustABI:
		p = placeRust(sig)
	default:
		p = placeSysV(sig)
	}
	override(p.Params, sig.Params)
	override(p.Results, sig.Results)
	return p
}

func override(places [][]Piece, params []Param) {
	for i := range params {
		if len(params[i].Where) > 0 {
			places[i] = params[i].Where
		}
	}
}

// firstArgument is where a caller's stack arguments begin: above the return address.
const firstArgument = 8

// bank is what is left of the registers and the stack while values are handed out. Slices are consumed from the front.
type bank struct {
	ints, vectors []Register
	stack         int64 // next free offset from the entry stack pointer
	lost          bool  // a value of unknown size came by: nothing after it can be placed
}

// push puts a value of size bytes on the stack, in slots of 8 bytes. Alignment counts from the first argument, which
// the ABI keeps at a multiple of 16.
func (b *bank) push(size, align int64) []Piece {
	at := firstArgument + roundUp(b.stack-firstArgument, max(align, 8))
	b.stack = at + roundUp(size, 8)
	return []Piece{{Kind: OnStack, Offset: at, Size: size}}
}

// address places a value that travels by its address.
func (b *bank) address(size int64) []Piece {
	if len(b.ints) > 0 {
		reg := b.ints[0]
		b.ints = b.ints[1:]
		return []Piece{{Kind: InMemory, Reg: reg, Size: size}}
	}
	p := b.push(8, 8)[0]
	return []Piece{{Kind: ByStackedAddress, Offset: p.Offset, Size: size}}
}

// unknown gives up on this value and on those after it.
func (b *bank) unknown(t *Type) []Piece {
	b.lost = true
	return []Piece{{Kind: Nowhere, Size: max(t.Sizeof(), 0)}}
}

func roundUp(n, align int64) int64 {
	if align <= 1 {
		return n
	}
	return (n + align - 1) / align * align
}
