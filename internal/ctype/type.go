// Package ctype models the types of C, C++, Rust and Go, and where an ABI puts values.
//
// In: types as a debug format or a declaration describes them. Out: sizes, names, and the registers and
// stack slots that carry a function's parameters and results. Invariant: a Type is immutable once its
// reader handed it out, and may be cyclic through Elem. It must not know ELF.
package ctype

import "github.com/sonde-project/sonde/event"

// Kind is the shape of a type.
type Kind uint8

const (
	Void Kind = iota
	Bool
	Int   // signed
	Uint  // unsigned
	Char  // character of one byte, signed or not (char, i8 as char), Go/Rust rune types are Rune
	Rune  // 4-byte character
	Float // Size 4, 8, 16 (long double, x87 class)
	Complex
	Pointer // Elem; C and C++ T*, Rust *T and &T, Go *T
	Reference
	Array   // Elem, Len
	Struct  // Fields
	Union   // Fields, all overlapping
	Enum    // Enumerators, base width in Size, Signed
	Func    // Signature: what a function pointer points at, or a Go func value
	Typedef // Elem: the named type; Name is the new name
	// Shapes that a language runtime gives to memory; Elem is the element type.
	CString     // char * that a prototype declares to be text
	GoString    // ptr, len
	Slice       // Go: ptr, len, cap. Rust &[T]: ptr, len (Lang tells)
	Str         // Rust &str: ptr, len
	Interface   // Go: itab or type, data. Empty says which
	Map         // Go: a pointer to the runtime's record, whose members are Fields
	Chan        // Go
	TraitObject // Rust &dyn T, Box<dyn T>: data, vtable
	Variant     // Rust enum with data: Variants
	Opaque      // declared, size unknown
)

// Type is one type. Only the fields that its Kind names mean something.
type Type struct {
	Kind        Kind
	Lang        event.Language
	Name        string // as the author wrote it: "struct timespec", "size_t", "std::vector<int>", "map[string]int"
	Size        int64  // bytes, -1 unknown
	Align       int64  // 0: natural
	Elem        *Type
	Key         *Type // Map
	Len         int64 // Array: number of elements, -1 unknown
	Signed      bool  // Char, Enum
	Fields      []Field
	Enumerators []Enumerator
	Flags       bool // Enum: values are or-ed
	Empty       bool // Go interface without methods
	Func        *Signature
	Variants    *Variants // Variant
	// Args are the types that a C++ template or a Rust generic type was made for, in order (DW_TAG_template_type_parameter):
	// int for std::vector<int, ...>. Containers that point at untyped memory have no other trace of what they hold.
	Args []*Type
	// NonTrivial: a C++ class that the Itanium ABI passes and returns by address.
	NonTrivial bool
	// Dynamic: a C++ class with a vtable pointer at offset 0.
	Dynamic bool
	Const   bool // pointee is const: for pointers, what it points at is input
	// Vector: an Array that is a SIMD vector, which travels whole in one vector register.
	Vector bool
	// Format is how a plain number wants to be read: "", "fd", "pid", "mode", "errno", "sockaddr", "signal", "hex", "ns".
	// "method": a C++ pointer to a member function.
	Format string
}

// Field is a member of a struct or union.
type Field struct {
	Name      string
	Type      *Type
	Offset    int64 // bytes
	BitOffset int64 // from the start of the struct, bit-fields only
	BitSize   int64 // 0: not a bit-field
	Base      bool  // C++ base class
}

// Enumerator is a named number.
type Enumerator struct {
	Name  string
	Value int64
	// Mask, in flags: the name is there when the number and Mask give Value (O_RDONLY is 0 of 3). 0: Value itself.
	Mask int64
}

// Variants is the data of a Rust enum: which variant is there is told by a discriminant in memory.
type Variants struct {
	Discr *Field // nil: a single variant
	Cases []VariantCase
}

// VariantCase is one variant; Values are the discriminants that select it, Default takes all others (niches).
type VariantCase struct {
	Name    string
	Values  []DiscrRange
	Default bool
	Type    *Type // struct of its fields
}

// DiscrRange is an inclusive range of discriminant values.
type DiscrRange struct{ Low, High uint64 }

// Signature is a function's parameters and results.
type Signature struct {
	Lang     event.Language
	Params   []Param
	Results  []Param // none for void; several in Go
	Variadic bool
	// Convention decides placement; see Place.
	Convention Convention
	// Source says where the types come from: "dwarf", "prototype", "demangled", "guess".
	Source string
	// Fails says how the function reports failure, for errno: "" never, "negative", "null", "nonzero",
	// "eof"; from the prototype table.
	Fails string
	// Dictionary: a Go function made for several type arguments: a pointer that no parameter names travels before them,
	// behind the receiver.
	Dictionary bool
}

// Param is one parameter or result.
type Param struct {
	Name string
	Type *Type
	// Len names the parameter that holds the byte count of this buffer ("" none, "return" for the result):
	// prototypes say buf[count]. "*count" is what a parameter points at, "a*b" a product.
	Len string
	// Count is like Len for an array of larger elements: it counts them.
	Count string
	// Out: filled by the callee, worth reading at return.
	Out bool
	// Receiver: `this`, `self`, Go receiver.
	Receiver bool
	// Where, when the debug information knows better than the ABI: set by symbol, else empty.
	Where []Piece
}

// Convention is a calling convention.
type Convention uint8

const (
	SysV    Convention = iota // C, C++, Rust's extern "C"
	GoRegs                    // Go ABIInternal
	GoStack                   // Go ABI0
	RustABI                   // Rust's own: see placeRust
)
