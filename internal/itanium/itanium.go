// Package itanium reads what the mangled name of a C++ function says of the types of its parameters.
//
// In: a linkage name, and what a symbol table knows of classes. Out: the types, as far as the name and the known layout of the
// standard library go, and what the name leaves open: whether there is a `this`, and what is given back. Invariant: names are
// hostile; what is not understood is a type of unknown size, never a guessed one. It must not know ELF or instructions.
package itanium

import (
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/sonde-project/sonde/internal/ctype"
)

// Function is what a name says of its function.
type Function struct {
	Params   []*ctype.Type
	Variadic bool
	// Result is nil where the name does not say: only those of templates and of conversions do.
	Result *ctype.Type
	// Structor: a constructor or destructor, which gives nothing back.
	Structor bool
	This     This
	// Class is the name of what it belongs to, a class or a namespace; "" nothing. Known: it is a class. Receiver is its type.
	Class    string
	Known    bool
	Receiver *ctype.Type
}

// This says whether a function has an object that it is called for.
type This uint8

const (
	Maybe  This = iota // a member that may be static, or a function of a namespace
	Never              // a function outside of everything
	Always             // a constructor, destructor, const method, ...
)

// Class is what symbols tell of a class.
type Class struct {
	Known      bool // it is a class, not a namespace
	NonTrivial bool // its objects travel by their address
}

// Classes looks a class up by its demangled name.
type Classes func(name string) Class

// maxMangled bounds what the demangler is given: it recurses, and its time grows with the square.
const maxMangled = 4 << 10

// Parse reads the name of a function; false when it is none that has parameters in it. A panic of the demangler makes the name one that
// cannot be read.
func Parse(name string, classes Classes) (fn Function, ok bool) {
	defer func() {
		if recover() != nil {
			fn, ok = Function{}, false
		}
	}()
	tree := parse(name)
	typed, isTyped := tree.(*demangle.Typed)
	if !isTyped {
		return Function{}, false
	}
	r := reader{classes: classes, left: maxTypes}
	method, qualified := typed.Type.(*demangle.MethodWithQualifiers)
	typ := typed.Type
	if qualified {
		typ = method.Method
	}
	signature, isFunction := typ.(*demangle.FunctionType)
	if !isFunction {
		return Function{}, false
	}
	fn.Params, fn.Variadic = r.params(signature.Args)
	if signature.Return != nil {
		fn.Result = r.result(signature.Return)
	}
	r.scope(&fn, typed.Name)
	if qualified {
		fn.This, fn.Known = Always, true
	}
	return fn, true
}

// parse gives the tree of a name, nil for what is no C++ name and for copies of functions, which may have lost parameters.
func parse(name string) demangle.AST {
	if len(name) > maxMangled {
		return nil
	}
	if at := strings.Index(name, ".llvm."); at > 0 {
		name = name[:at]
	}
	tree, err := demangle.ToAST(name, demangle.NoRust)
	if err != nil {
		return nil
	}
	for {
		switch t := tree.(type) {
		case *demangle.EnableIf:
			tree = t.Type
		case *demangle.Constraint:
			tree = t.Name
		default:
			return tree
		}
	}
}

// ClassOf gives the name of the class that a constructor, destructor or method with qualifiers belongs to, and whether the function is
// one that only classes have which travel by their address: a destructor, a constructor that copies. "" for other functions.
func ClassOf(name string) (class string, nonTrivial bool) {
	defer func() {
		if recover() != nil {
			class, nonTrivial = "", false
		}
	}()
	typed, ok := parse(name).(*demangle.Typed)
	if !ok {
		return "", false
	}
	scope, last := split(typed.Name)
	if scope == nil {
		return "", false
	}
	class = text(scope)
	switch last.(type) {
	case *demangle.Destructor:
		return class, true
	case *demangle.Constructor:
		return class, copies(typed.Type, class)
	}
	if _, qualified := typed.Type.(*demangle.MethodWithQualifiers); qualified {
		return class, false
	}
	return "", false
}

// copies reports a constructor that takes a reference to another object of its class.
func copies(typ demangle.AST, class string) bool {
	f, ok := typ.(*demangle.FunctionType)
	if !ok || len(f.Args) == 0 {
		return false
	}
	var of demangle.AST
	switch t := f.Args[0].(type) {
	case *demangle.ReferenceType:
		of = t.Base
	case *demangle.RvalueReferenceType:
		of = t.Base
	default:
		return false
	}
	if q, ok := of.(*demangle.TypeWithQualifiers); ok {
		of = q.Base
	}
	return text(of) == class
}

// split cuts a function's name into what it belongs to, nil nothing, and its last part, without template arguments.
func split(name demangle.AST) (scope, last demangle.AST) {
	for {
		switch t := name.(type) {
		case *demangle.Template:
			name = t.Name
		case *demangle.TaggedName:
			name = t.Name
		case *demangle.Qualified:
			if !t.LocalName {
				inner, last := split(t.Name)
				if inner != nil {
					return inner, last
				}
				return t.Scope, last
			}
			if inner, last := split(t.Name); inner != nil {
				return inner, last // a member of a class inside a function
			}
			return nil, t.Name
		default:
			return nil, name
		}
	}
}

// scope says what kind of function it is by its name.
func (r *reader) scope(fn *Function, name demangle.AST) {
	scope, last := split(name)
	if scope == nil {
		fn.This = Never
		return
	}
	fn.Class = text(scope)
	fn.Receiver = r.class(scope)
	fn.Known = isClass(scope) || r.classes(fn.Class).Known
	switch t := last.(type) {
	case *demangle.Constructor, *demangle.Destructor:
		fn.This, fn.Structor = Always, true
	case *demangle.Cast:
		fn.This, fn.Result = Always, r.result(t.To)
	case *demangle.Operator:
		fn.This = operatorThis(t.Name, len(fn.Params))
	}
	if isNamespace(fn.Class) {
		fn.This = Never
	}
	fn.Known = fn.Known || fn.This == Always
}

// isClass reports what no namespace can be: a template, a lambda, a type without a name.
func isClass(scope demangle.AST) bool {
	switch t := scope.(type) {
	case *demangle.Template, *demangle.Closure, *demangle.UnnamedType:
		return true
	case *demangle.Qualified:
		return isClass(t.Name)
	}
	return false
}

// isNamespace knows the namespaces that every program has.
func isNamespace(name string) bool {
	switch name {
	case "std", "std::__1", "std::__cxx11", "std::__detail", "std::chrono", "std::__1::chrono", "std::filesystem", "std::this_thread", "__gnu_cxx", "__cxxabiv1":
		return true
	}
	return strings.HasSuffix(name, "(anonymous namespace)")
}

// operatorThis: some operators are methods always, new and delete never; the others are when they have a parameter less than operands.
func operatorThis(name string, params int) This {
	operands := 2
	switch strings.TrimSpace(name) {
	case "new", "new[]", "delete", "delete[]":
		return Never
	case "=", "()", "[]", "->":
		return Always
	case "++", "--", "+", "-", "*", "&":
		if params == 1 {
			return Maybe // of two operands as a method, of one as a function
		}
	case "!", "~", "co_await":
		operands = 1
	}
	if params == operands {
		return Never
	}
	return Always
}

// maxText is the power of two that bounds a demangled name.
const maxText = 12

func text(tree demangle.AST) string {
	if tree == nil {
		return ""
	}
	return demangle.ASTToString(tree, demangle.MaxLength(maxText))
}
