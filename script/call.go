package script

import (
	"fmt"
	"slices"
	"strings"
)

// call reads the arguments of a function, its name being taken.
func (p *parser) call(name token) Expr {
	fn, known := findName(Functions(), name.text)
	if !known && IsBuiltin(name.text) && p.emptyCall(name.text) {
		return &Ident{Name: name.text, Span: name.span}
	}
	if !known {
		p.unknownFunction(name)
	}
	open := p.next()
	bare := p.bare
	p.bare = bare || name.text == "ustack" // ustack(perf, 3): the mode is a word of its own
	args := p.list(")", open)
	p.bare = bare
	call := &Call{Name: name.text, Args: args, Span: p.since(name.span.From)}
	if len(args) < fn.Min || fn.Max >= 0 && len(args) > fn.Max {
		p.fail(BadArguments, call.Span, []string{"usage: " + fn.Usage}, "%s takes %s, not %d", fn.Name, arity(fn), len(args))
	}
	return call
}

// emptyCall takes the parentheses that newer versions of bpftrace write behind a builtin: pid(). The clock of nsecs may be named in them.
func (p *parser) emptyCall(name string) bool {
	behind := lexer{src: p.src, pos: p.peek().span.To}
	t := behind.token()
	clock := name == "nsecs" && t.kind == tokName && (t.text == "monotonic" || t.text == "boot")
	if clock {
		t = behind.token()
	}
	if t.kind != tokOp || t.text != ")" {
		return false
	}
	if clock {
		p.next()
	}
	p.next()
	p.next()
	return true
}

// arity says how many arguments a function takes.
func arity(fn Name) string {
	plural := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	switch {
	case fn.Max == 0:
		return "no arguments"
	case fn.Max < 0:
		return "at least " + plural(fn.Min)
	case fn.Min == fn.Max:
		return plural(fn.Min)
	}
	return fmt.Sprintf("%d to %s", fn.Min, plural(fn.Max))
}

func (p *parser) unknownFunction(name token) {
	hints := nearHint(name.text, names(Functions()))
	message := "unknown function %q"
	if slices.Contains(elsewhere[:], name.text) {
		if hint := instead(name.text); hint != "" {
			hints = []string{hint}
		}
		p.fail(Unsupported, name.span, hints, "%q of bpftrace is not available", name.text)
	}
	if IsBuiltin(name.text) {
		message, hints = "%q is a value, not a function", []string{"write " + name.text + " without parentheses"}
	}
	p.fail(UnknownFunction, name.span, hints, message, name.text)
}

// instead says what does here what a function of bpftrace's does there.
func instead(name string) string {
	switch name {
	case "kstack", "ksym", "kaddr", "kptr":
		return "the kernel is out of sight; ustack and usym show the program"
	}
	return ""
}

// sizeof reads sizeof(type) or sizeof(expression).
func (p *parser) sizeof(word token) Expr {
	open := p.expect("(")
	if name, end, ok := p.typeName(); ok && !valueName(name) {
		p.skipTo(end)
		return &Sizeof{Type: name, Span: p.since(word.span.From)}
	}
	x := p.expr()
	p.closing(")", open)
	return &Sizeof{X: x, Span: p.since(word.span.From)}
}

// castType takes "type)" behind an opening parenthesis, if that is what stands there. A lone name is a type if it is
// a known scalar, or if an operand follows, which no expression in parentheses could have behind it: (Foo)x.
func (p *parser) castType() (string, bool) {
	name, end, ok := p.typeName()
	if !ok {
		return "", false
	}
	if !certainType(name) {
		behind := lexer{src: p.src, pos: end}
		if valueName(name) || !beginsOperand(behind.token()) {
			return "", false
		}
	}
	p.skipTo(end)
	return name, true
}

// skipTo goes on behind text that was read apart from the tokens.
func (p *parser) skipTo(end int) { p.pos, p.last, p.hasAhead = end, end, false }

// valueName reports whether what reads like a type's name begins with a builtin: args.size.
func valueName(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	return IsBuiltin(first)
}

// beginsOperand reports whether a token can only be the begin of an operand.
func beginsOperand(t token) bool {
	switch t.kind {
	case tokEnd:
		return false
	case tokOp:
		return t.text == "(" || t.text == "!" || t.text == "~"
	}
	return true
}

// certainType reports whether the text is a type whatever follows.
func certainType(name string) bool {
	element, _, _ := strings.Cut(name, "[")
	return isScalarType(element) || strings.ContainsAny(name, " <*")
}

// isScalarType knows the words that are types in C and in bpftrace.
func isScalarType(word string) bool {
	switch word {
	case "char", "short", "int", "long", "unsigned", "signed", "bool", "void", "float", "double",
		"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "uintptr":
		return true
	}
	return strings.HasSuffix(word, "_t") && word != "_t"
}

func isTypeKeyword(word string) bool {
	switch word {
	case "struct", "union", "enum", "class", "const", "volatile":
		return true
	}
	return false
}
