// Package script is the language of sonde: bpftrace's, for what concerns user-space probing.
//
// In: text. Out: a syntax tree with positions, or diagnostics with a code, a place and a hint. The tree
// prints back as text that parses to the same tree. It must not open files or know ELF: names are only
// names here.
package script

import "time"

// Pos is a byte offset into the script's text; Span is [From, To).
type Span struct{ From, To int }

// Script is a whole program.
type Script struct {
	// Text is what was parsed: what every span points into. A verb's tree has the probes and expressions of the
	// command line for its text, with form feeds between them.
	Text   string
	Config []Assign // config = { name = value }
	Defs   []TypeDef
	Probes []*Probe
}

// Probe is a list of probe points, an optional predicate and a body.
type Probe struct {
	Points []Point
	Pred   Expr // nil: always
	Body   []Stmt
	Span   Span
}

// PointKind names where a probe is armed.
type PointKind uint8

const (
	Uprobe    PointKind = iota // entry of a function, or an instruction
	Uretprobe                  // its return
	USDT
	Begin
	End
	Interval     // Every
	ProfileTimer // accepted by the grammar, refused by resolve
)

func (k PointKind) String() string {
	return [...]string{"uprobe", "uretprobe", "usdt", "BEGIN", "END", "interval", "profile"}[k]
}

// Point is one probe point: TARGET:FUNCTION and its relatives (DESIGN: naming a probe).
type Point struct {
	Kind       PointKind
	Target     string // library name, path, "*", "" = the program itself
	Function   string // exact name, glob, or regexp when Regexp is set; "" when Address or File is
	Regexp     bool
	Offset     uint64 // FUNCTION+0x10
	HasOffset  bool
	Address    uint64 // 0x4011d0
	HasAddress bool
	File       string // file.c:42
	Line       int
	Provider   string // USDT
	Every      time.Duration
	Span       Span
	// TargetSpan and FunctionSpan are the two halves inside Span; where one is empty, an empty place.
	TargetSpan   Span
	FunctionSpan Span
}

// Stmt is a statement.
type Stmt interface{ Pos() Span }

type (
	// ExprStmt is a call such as printf(...) or an expression for its effect (@x++).
	ExprStmt struct {
		X    Expr
		Span Span
	}
	// Assign sets a map or a variable; Op is "=", "+=", ...; a map function on the right (count()) is a Call.
	Assign struct {
		Left  Expr // *MapRef or *Var; *Ident in config
		Op    string
		Right Expr
		Span  Span
	}
	// If is if/else.
	If struct {
		Cond Expr
		Then []Stmt
		Else []Stmt
		Span Span
	}
	// While is while (cond) { }, bounded by the engine; Unroll set for unroll(n) { }.
	While struct {
		Cond   Expr // the count for Unroll
		Body   []Stmt
		Unroll bool
		Span   Span
	}
	// For is for ($i : from..to) { }.
	For struct {
		Var      string
		From, To Expr
		Body     []Stmt
		Span     Span
	}
	// Jump is return, break or continue.
	Jump struct {
		Word string
		Span Span
	}
)

// Expr is an expression.
type Expr interface{ Pos() Span }

type (
	// Int is an integer literal, character literal, or a literal with a unit (10ms: nanoseconds).
	Int struct {
		Value int64
		Text  string // as written, "" = decimal
		Span  Span
	}
	// Str is a string literal, unescaped.
	Str struct {
		Value string
		Span  Span
	}
	// Ident is a builtin (pid, comm, retval, arg0, duration, ...) or, in --if and --by, a parameter's name.
	Ident struct {
		Name string
		Span Span
	}
	// Positional is $1, $2, ... : an argument of the script; Count is $#.
	Positional struct {
		N     int
		Count bool
		Span  Span
	}
	// Var is $name.
	Var struct {
		Name string
		Span Span
	}
	// MapRef is @name or @name[keys]; Name is "" for @.
	MapRef struct {
		Name string
		Keys []Expr
		Span Span
	}
	// Call is name(args).
	Call struct {
		Name string
		Args []Expr
		Span Span
	}
	// Unary is - ! ~ * & and ++ -- (Postfix set for x++).
	Unary struct {
		Op      string
		X       Expr
		Postfix bool
		Span    Span
	}
	// Binary is any two-operand operator, && and || included.
	Binary struct {
		Op   string
		X, Y Expr
		Span Span
	}
	// Cond is c ? x : y.
	Cond struct {
		C, X, Y Expr
		Span    Span
	}
	// Cast is (type)x; Type is the type's text: "uint64", "struct timespec *".
	Cast struct {
		Type string
		X    Expr
		Span Span
	}
	// Sizeof is sizeof(type) or sizeof(expr): exactly one of the two is set.
	Sizeof struct {
		Type string
		X    Expr
		Span Span
	}
	// FieldRef is x.name, x->name (Arrow), or x.0 on a tuple.
	FieldRef struct {
		X     Expr
		Name  string
		Arrow bool
		Span  Span
	}
	// Index is x[i].
	Index struct {
		X, I Expr
		Span Span
	}
	// Tuple is (a, b).
	Tuple struct {
		Elems []Expr
		Span  Span
	}
)

func (s *ExprStmt) Pos() Span   { return s.Span }
func (s *Assign) Pos() Span     { return s.Span }
func (s *If) Pos() Span         { return s.Span }
func (s *While) Pos() Span      { return s.Span }
func (s *For) Pos() Span        { return s.Span }
func (s *Jump) Pos() Span       { return s.Span }
func (e *Int) Pos() Span        { return e.Span }
func (e *Str) Pos() Span        { return e.Span }
func (e *Ident) Pos() Span      { return e.Span }
func (e *Positional) Pos() Span { return e.Span }
func (e *Var) Pos() Span        { return e.Span }
func (e *MapRef) Pos() Span     { return e.Span }
func (e *Call) Pos() Span       { return e.Span }
func (e *Unary) Pos() Span      { return e.Span }
func (e *Binary) Pos() Span     { return e.Span }
func (e *Cond) Pos() Span       { return e.Span }
func (e *Cast) Pos() Span       { return e.Span }
func (e *Sizeof) Pos() Span     { return e.Span }
func (e *FieldRef) Pos() Span   { return e.Span }
func (e *Index) Pos() Span      { return e.Span }
func (e *Tuple) Pos() Span      { return e.Span }
