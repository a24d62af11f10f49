package ctype

import (
	"testing"

	"github.com/sonde-project/sonde/event"
)

func TestSignaturesReadAsTheirAuthorWroteThem(t *testing.T) {
	void := &Type{Kind: Void}
	size := &Type{Kind: Typedef, Name: "size_t", Elem: &Type{Kind: Uint, Size: 8}}
	compare := &Type{Kind: Pointer, Elem: &Type{Kind: Func, Func: &Signature{
		Params:  []Param{{Type: &Type{Kind: Pointer, Const: true, Elem: void}}, {Type: &Type{Kind: Pointer, Const: true, Elem: void}}},
		Results: []Param{{Type: tInt}}}}}
	pointer := func(t *Type) *Type { return &Type{Kind: Pointer, Elem: t} }
	goType := func(k Kind, name string, size int64) *Type {
		return &Type{Kind: k, Lang: event.LangGo, Name: name, Size: size}
	}
	rust := func(k Kind, name string, elem *Type) *Type {
		return &Type{Kind: k, Lang: event.LangRust, Name: name, Elem: elem}
	}
	store := &Type{Kind: Pointer, Lang: event.LangGo, Elem: goType(Struct, "main.Store", 8)}
	for _, c := range []struct {
		name string
		sig  Signature
		want string
	}{
		{"malloc", Signature{Params: []Param{{Name: "size", Type: size}}, Results: []Param{{Type: pointer(void)}}}, "void *malloc(size_t size)"},
		{"abort", Signature{}, "void abort(void)"},
		{"printf", Signature{Params: []Param{{Name: "format", Type: &Type{Kind: CString, Const: true}}}, Results: []Param{{Type: tInt}}, Variadic: true},
			"int printf(const char *format, ...)"},
		{"qsort", Signature{Params: []Param{{Name: "base", Type: pointer(void)}, {Name: "compar", Type: compare}}},
			"void qsort(void *base, int (*compar)(const void *, const void *))"},
		{"execv", Signature{Params: []Param{{Name: "argv", Type: &Type{Kind: Pointer, Const: true, Elem: &Type{Kind: CString}}}}, Results: []Param{{Type: tInt}}},
			"int execv(char *const *argv)"},
		{"matrix", Signature{Params: []Param{{Name: "m", Type: pointer(array(tInt, 3))}}, Results: []Param{{Type: pointer(array(tInt, 2))}}},
			"int (*matrix(int (*m)[3]))[2]"},
		{"ns::Box<int (*)(char)>::put(int) const", Signature{Lang: event.LangCPP, Params: []Param{{Name: "this", Receiver: true, Type: pointer(void)},
			{Name: "v", Type: &Type{Kind: Reference, Const: true, Elem: tInt}}}}, "void ns::Box<int (*)(char)>::put(const int &v)"},
		{"ns::Box<int>::Box(int)", Signature{Lang: event.LangCPP, Params: []Param{{Name: "this", Receiver: true, Type: pointer(void)}, {Name: "v", Type: tInt}}}, "ns::Box<int>::Box(int v)"},
		{"Box::~Box()", Signature{Lang: event.LangCPP}, "Box::~Box()"},
		{"take", Signature{Lang: event.LangCPP, Params: []Param{{Name: "b", Type: &Type{Kind: Reference, Lang: event.LangCPP, Name: "Box &&"}}}}, "void take(Box &&b)"},
		{"Box::operator()(int)", Signature{Lang: event.LangCPP, Results: []Param{{Type: tInt}}}, "int Box::operator()()"},
		{"main.(*Store).Put", Signature{Lang: event.LangGo, Params: []Param{{Name: "s", Receiver: true, Type: store}, {Name: "key", Type: goType(GoString, "string", 16)}},
			Results: []Param{{Name: "~r0", Type: goType(Interface, "error", 16)}}}, "func (s *main.Store) Put(key string) error"},
		{"main.f", Signature{Lang: event.LangGo, Params: []Param{{Name: "m", Type: &Type{Kind: Map, Lang: event.LangGo, Key: goType(GoString, "", 16), Elem: goType(Int, "", 8)}}},
			Results: []Param{{Name: "n", Type: goType(Int, "int", 8)}, {Name: "~r1", Type: goType(Interface, "error", 16)}}}, "func main.f(m map[string]int64) (n int, error)"},
		{"crab::greet", Signature{Lang: event.LangRust, Params: []Param{{Name: "self", Type: rust(Reference, "&mut crab::Crab", nil)}, {Name: "name", Type: rust(Str, "", nil)},
			{Name: "v", Type: rust(Slice, "", &Type{Kind: Uint, Lang: event.LangRust, Size: 1})}}, Results: []Param{{Type: rust(Int, "i32", nil)}}},
			"fn crab::greet(&mut self, name: &str, v: &[u8])"},
	} {
		if got := c.sig.String(c.name); got != c.want {
			t.Errorf("%s reads %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPrintingEndsOnCyclicTypes(t *testing.T) {
	loop := &Type{Kind: Pointer}
	loop.Elem = loop
	call := &Type{Kind: Func, Func: &Signature{}}
	call.Func.Params = []Param{{Type: call}, {Type: call}}
	for _, hostile := range []*Type{loop, call} {
		if s := hostile.String(); len(s) > 1<<20 {
			t.Errorf("%d bytes for a cyclic type", len(s))
		}
	}
}
