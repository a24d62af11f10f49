package event

// Kind says which fields of a Value carry it.
type Kind uint8

const (
	KindNone      Kind = iota // no value: see Problem
	KindInt                   // Int
	KindUint                  // Uint
	KindBool                  // Uint 0 or 1
	KindChar                  // Int: a character type of one byte, or a rune
	KindFloat                 // Float
	KindString                // Str: text; Len is its full length when Truncated
	KindBytes                 // Str: raw bytes
	KindPointer               // Uint: address; Elem: what it points at, when captured; Str: symbol, for functions
	KindEnum                  // Int: number, Str: enumerator name or ""
	KindFlags                 // Uint: number, Str: "O_RDONLY|O_CLOEXEC"
	KindStruct                // Fields with names; Str: constructor or variant name ("Some"), "" for none
	KindTuple                 // Fields without names
	KindArray                 // Fields without names; Len is the full length
	KindMap                   // Fields: pairs, Key in Field.Key; Len is the full length
	KindInterface             // Elem: dynamic value; its Type is the dynamic type
	KindNil                   // nil, NULL, None of a pointer type
	KindStack                 // Frames
	KindDuration              // Int: nanoseconds
	KindTime                  // Int: nanoseconds since the Unix epoch
	KindAddress               // Str: network address "127.0.0.1:80", or a path for AF_UNIX
)

// Value is one value of the observed program, or the reason why there is none.
type Value struct {
	Kind  Kind
	Guess bool  // deduced: nothing says that it is text, or that this is where the value lies
	Size  uint8 // bytes of a scalar: 1, 2, 4, 8; 0 when it does not apply
	// Truncated: Str or Fields hold less than Len says, or the depth limit cut what is below.
	Truncated bool
	Problem   Problem
	Type      string // as its author wrote it; "" when unknown
	Dynamic   string // the class of a C++ object, where it is not the declared one
	Int       int64
	Uint      uint64
	Float     float64
	Str       string
	Len       uint64 // full length of a string, array or map in its own elements
	Fields    []Field
	Elem      *Value
	Frames    []Frame
}

// Field is a named member of a Value: an argument, a struct field, a map pair.
type Field struct {
	Name  string
	Key   *Value // KindMap only
	Value Value
}

// Problem is why a value is missing; "" when it is there. The words are those of the JSON form.
type Problem string

const (
	Unreadable   Problem = "unreadable"    // its memory could not be read; Uint holds the address
	Unavailable  Problem = "unavailable"   // in a register that the engine cannot see
	OptimizedOut Problem = "optimized out" // the compiler left no place for it
	NoPlace      Problem = "unknown place" // it, or a parameter before it, is of a class of unknown size
	Lost         Problem = "lost"          // the capture buffer was full
	Cut          Problem = "..."           // deeper than --depth, or a cycle
)

// Int makes a signed 64-bit value.
func Int(v int64) Value { return Value{Kind: KindInt, Int: v, Size: 8} }

// Uint makes an unsigned 64-bit value.
func Uint(v uint64) Value { return Value{Kind: KindUint, Uint: v, Size: 8} }

// String makes a text value.
func String(s string) Value { return Value{Kind: KindString, Str: s, Len: uint64(len(s))} }

// Missing makes a value that says why it is not there.
func Missing(p Problem, address uint64) Value { return Value{Problem: p, Uint: address} }
