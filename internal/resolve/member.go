package resolve

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/prototype"
	"github.com/sonde-project/sonde/script"
)

// field compiles x.name, x->name and tuple.0; args.name is a parameter.
func (b *body) field(e *script.FieldRef) (operand, error) {
	if id, ok := e.X.(*script.Ident); ok && id.Name == "args" {
		return b.param(e.Name, e.Span)
	}
	o, err := b.operand(e.X)
	if err != nil {
		return operand{}, err
	}
	if o.x != nil && o.x.Type().Kind == plan.TupleType {
		return b.tupleElem(e, o.x)
	}
	t := strip(o.t)
	if t != nil && (t.Kind == ctype.Pointer || t.Kind == ctype.Reference) {
		x, err := b.load(e.X, o)
		if err != nil {
			return operand{}, err
		}
		o = operand{addr: x, t: t.Elem}
		t = strip(t.Elem)
	}
	if t == nil {
		return operand{}, b.diag(e.Span, "no-type", "the type of "+script.Format(e.X)+" is not known, so it has no members",
			"name it: ((struct NAME *)"+script.Format(e.X)+")->"+e.Name)
	}
	f, off, ok := fieldOf(t, e.Name)
	if !ok {
		return operand{}, b.diag(e.Span, "no-member", fmt.Sprintf("%s has no member %q", t, e.Name), "members: "+strings.Join(fieldNames(t), ", "))
	}
	return b.member(e, o, f, off)
}

func (b *body) member(e *script.FieldRef, o operand, f *ctype.Field, off int64) (operand, error) {
	if o.addr != nil {
		if f.BitSize == 0 {
			return operand{addr: plus(o.addr, off), t: f.Type}, nil
		}
		return operand{x: bitField(o.addr, f), t: nil}, nil
	}
	for _, p := range o.pieces {
		if off >= p.At && off < p.At+p.Size {
			x, err := b.piece(e, p, uint64Type)
			if err != nil {
				return operand{}, err
			}
			if shift := (off - p.At) * 8; shift > 0 {
				x = &plan.Binary{Op: ">>", X: x, Y: constant(shift), T: uint64Type}
			}
			st, ok := scalarType(f.Type)
			if !ok {
				break
			}
			return operand{x: &plan.Cast{X: x, T: st}, t: f.Type}, nil
		}
	}
	return operand{}, b.diag(e.Span, "unsupported", "member "+e.Name+" cannot be read where the call passes it")
}

// bitField loads the bytes that hold the field and cuts it out.
func bitField(addr plan.Expr, f *ctype.Field) plan.Expr {
	first := f.BitOffset / 8
	shift := f.BitOffset % 8
	size := 1
	for int64(size*8) < shift+f.BitSize && size < 8 {
		size *= 2
	}
	var x plan.Expr = &plan.Load{Addr: plus(addr, first), Size: size, T: uint64Type}
	st, ok := scalarType(f.Type)
	up := 64 - shift - f.BitSize
	x = &plan.Binary{Op: "<<", X: x, Y: constant(up), T: uint64Type}
	signed := ok && st.Signed
	t := uint64Type
	if signed {
		t = int64Type
	}
	return &plan.Binary{Op: ">>", X: &plan.Cast{X: x, T: t}, Y: constant(64 - f.BitSize), Signed: signed, T: t}
}

func (b *body) tupleElem(e *script.FieldRef, x plan.Expr) (operand, error) {
	n, err := strconv.Atoi(e.Name)
	if err != nil || n < 0 || n >= len(x.Type().Elems) {
		return operand{}, b.diag(e.Span, "no-member", "the tuple has no part "+e.Name)
	}
	if t, ok := x.(*plan.TupleOf); ok {
		return operand{x: t.Elems[n]}, nil
	}
	return operand{}, b.diag(e.Span, "unsupported", "parts of a stored tuple cannot be read back", "keep the parts in variables of their own")
}

// index compiles x[i] for arrays and pointers.
func (b *body) index(e *script.Index) (operand, error) {
	o, err := b.operand(e.X)
	if err != nil {
		return operand{}, err
	}
	i, err := b.number(e.I)
	if err != nil {
		return operand{}, err
	}
	t := strip(o.t)
	if t == nil || t.Elem == nil || (t.Kind != ctype.Pointer && t.Kind != ctype.Array) {
		return operand{}, b.diag(e.Span, "type", script.Format(e.X)+" is neither an array nor a pointer")
	}
	base := o.addr
	if t.Kind == ctype.Pointer {
		if base, err = b.load(e.X, o); err != nil {
			return operand{}, err
		}
	}
	if base == nil {
		return operand{}, b.diag(e.Span, "unsupported", "an array in registers cannot be indexed")
	}
	size := max(t.Elem.Size, 1)
	if c, ok := i.(*plan.Const); ok {
		return operand{addr: plus(base, c.V*size), t: t.Elem}, nil
	}
	off := &plan.Binary{Op: "*", X: i, Y: constant(size), T: int64Type}
	return operand{addr: &plan.Binary{Op: "+", X: base, Y: off, T: uint64Type}, t: t.Elem}, nil
}

// plainTypes are the names that a cast knows without debug information.
var plainTypes = map[string]plan.Type{
	"bool": {Size: 1}, "char": {Size: 1, Signed: true}, "unsigned char": {Size: 1}, "signed char": {Size: 1, Signed: true},
	"int8": {Size: 1, Signed: true}, "int8_t": {Size: 1, Signed: true}, "uint8": {Size: 1}, "uint8_t": {Size: 1}, "u8": {Size: 1}, "s8": {Size: 1, Signed: true},
	"short": {Size: 2, Signed: true}, "unsigned short": {Size: 2}, "int16": {Size: 2, Signed: true}, "int16_t": {Size: 2, Signed: true}, "uint16": {Size: 2}, "uint16_t": {Size: 2}, "u16": {Size: 2}, "s16": {Size: 2, Signed: true},
	"int": {Size: 4, Signed: true}, "unsigned": {Size: 4}, "unsigned int": {Size: 4}, "int32": {Size: 4, Signed: true}, "int32_t": {Size: 4, Signed: true}, "uint32": {Size: 4}, "uint32_t": {Size: 4}, "u32": {Size: 4}, "s32": {Size: 4, Signed: true},
	"long": {Size: 8, Signed: true}, "unsigned long": {Size: 8}, "long long": {Size: 8, Signed: true}, "unsigned long long": {Size: 8}, "int64": {Size: 8, Signed: true}, "int64_t": {Size: 8, Signed: true}, "uint64": {Size: 8}, "uint64_t": {Size: 8}, "u64": {Size: 8}, "s64": {Size: 8, Signed: true},
	"size_t": {Size: 8}, "ssize_t": {Size: 8, Signed: true}, "uintptr_t": {Size: 8}, "intptr_t": {Size: 8, Signed: true}, "off_t": {Size: 8, Signed: true}, "pid_t": {Size: 4, Signed: true},
}

func (b *body) cast(e *script.Cast) (operand, error) {
	x, err := b.number(e.X)
	if err != nil {
		return operand{}, err
	}
	name := strings.Join(strings.Fields(e.Type), " ")
	if t, ok := plainTypes[name]; ok {
		return operand{x: &plan.Cast{X: x, T: t}}, nil
	}
	t, err := b.typeNamed(name, e.Span)
	if err != nil {
		return operand{}, err
	}
	if _, ok := scalarType(t); !ok {
		return operand{}, b.diag(e.Span, "type", "cannot cast to "+name, "cast to a pointer: ("+name+" *)")
	}
	return operand{x: retyped(x, t), t: t}, nil
}

// typeNamed finds a type by the text of a cast: "struct stat *", "char *", "Foo **".
func (b *body) typeNamed(name string, at script.Span) (*ctype.Type, error) {
	stars := strings.Count(name, "*")
	base := strings.TrimSpace(strings.TrimRight(name, "* "))
	base = strings.TrimPrefix(base, "const ")
	var t *ctype.Type
	if p, ok := plainTypes[base]; ok {
		t = &ctype.Type{Kind: ctype.Uint, Name: base, Size: int64(p.Size)}
		if p.Signed {
			t.Kind = ctype.Int
		}
		if base == "char" {
			t = &ctype.Type{Kind: ctype.Char, Name: "char", Size: 1, Signed: true}
		}
	} else if base == "void" {
		t = &ctype.Type{Kind: ctype.Void, Name: "void"}
	} else {
		t = b.lookupType(base)
	}
	if t == nil {
		return nil, b.diag(at, "no-type", fmt.Sprintf("no type %q in the debug information of the target", base),
			"types come from the target's debug information; declare it with --prototypes FILE")
	}
	for range stars {
		t = &ctype.Type{Kind: ctype.Pointer, Name: t.String() + " *", Size: 8, Elem: t}
	}
	return t, nil
}

func (b *body) lookupType(name string) *ctype.Type {
	if t, ok := b.r.types.TypeNamed(name); ok {
		return t
	}
	b.typed = true
	if b.fn != nil && b.fn.obj != nil {
		if t, err := b.fn.obj.file.TypeNamed(name); err == nil && t != nil {
			return t
		}
	}
	if b.r.scope.Prototypes != nil {
		if t, ok := b.r.scope.Prototypes.TypeNamed(name); ok {
			return t
		}
	}
	if library, err := prototype.Parse(""); err == nil {
		if t, ok := library.TypeNamed(name); ok {
			return t
		}
	}
	return nil
}

func (b *body) sizeof(e *script.Sizeof) (operand, error) {
	if e.X != nil {
		o, err := b.operand(e.X)
		if err != nil {
			return operand{}, err
		}
		if o.t != nil {
			return operand{x: constant(o.t.Size)}, nil
		}
		return operand{x: constant(int64(o.x.Type().Size))}, nil
	}
	if t, ok := plainTypes[e.Type]; ok {
		return operand{x: constant(int64(t.Size))}, nil
	}
	t, err := b.typeNamed(e.Type, e.Span)
	if err != nil {
		return operand{}, err
	}
	return operand{x: constant(t.Size)}, nil
}
