package prototype

import (
	"sort"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// annotation is "@word" or "@word(arg, arg)".
type annotation struct {
	word token
	args []token // nil: no parentheses
}

func (p *parser) annotation() annotation {
	n := annotation{word: p.tok}
	p.advance()
	if !p.is("(") {
		return n
	}
	p.advance()
	n.args = []token{}
	for p.tok.kind != end && !p.is(")") {
		n.args = append(n.args, p.tok)
		p.advance()
		p.accept(",")
	}
	p.expect(")")
	return n
}

// formats are the values of ctype.Type.Format.
var formats = set("fd pid mode errno sockaddr signal hex ns")

// annotate gives the type as the annotations want it read; what they say of the parameter itself goes to param.
func (p *parser) annotate(t *ctype.Type, notes []annotation, param *ctype.Param) *ctype.Type {
	for _, n := range notes {
		switch w := n.word.text; {
		case formats[w]:
			t = innermost(t, func(t *ctype.Type) { t.Format = w })
		case (w == "flags" || w == "enum") && len(n.args) == 1:
			t = p.enumerated(t, n)
		case w == "buf":
			t = asBuffer(t)
		case w == "str":
			t = asText(t)
		case w == "out" && param != nil:
			param.Out = true
		case w == "len" && len(n.args) > 0 && param != nil:
			param.Len = joined(n.args)
			t = asBuffer(t)
		default:
			p.fail(n.word, "no annotation @"+w+" fits here", "@fd @pid @mode @errno @signal @sockaddr @hex @ns @flags(enum) @enum(enum) @buf @str @out @len(parameter)")
		}
	}
	return t
}

func joined(args []token) string {
	var b strings.Builder
	for _, a := range args {
		b.WriteString(a.text)
	}
	return b.String()
}

// innermost changes a copy of what pointers and arrays lead to: "int fds[2] @fd" is about the int.
func innermost(t *ctype.Type, change func(*ctype.Type)) *ctype.Type {
	c := *t
	if (t.Kind == ctype.Pointer || t.Kind == ctype.Array) && t.Elem != nil && t.Elem.Kind != ctype.Void {
		c.Elem = innermost(t.Elem, change)
		return &c
	}
	change(&c)
	return &c
}

// enumerated makes an integer read as one of an enum's names, or as several for flags.
func (p *parser) enumerated(t *ctype.Type, n annotation) *ctype.Type {
	e := p.table.tag("enum " + n.args[0].text)
	if e == nil {
		p.fail(n.args[0], "no enum is called \""+n.args[0].text+"\"")
		return t
	}
	return innermost(t, func(t *ctype.Type) {
		u := t.Underlying()
		*t = ctype.Type{Kind: ctype.Enum, Lang: t.Lang, Name: t.Name, Size: u.Sizeof(), Signed: u.Kind == ctype.Int, Enumerators: e.Enumerators,
			Flags: e.Flags || n.word.text == "flags"}
	})
}

// asBuffer: bytes that do not end at a NUL.
func asBuffer(t *ctype.Type) *ctype.Type {
	if t.Kind != ctype.CString {
		return t
	}
	c := *t
	c.Kind = ctype.Pointer
	return &c
}

// asText: unsigned char and void pointers that lead to text.
func asText(t *ctype.Type) *ctype.Type {
	if t.Kind != ctype.Pointer {
		return t
	}
	c := *t
	c.Kind = ctype.CString
	return &c
}

// annotateFunction reads what stands behind a function: @fails(how), @alias(name, ...).
func (p *parser) annotateFunction(sig *ctype.Signature, notes []annotation) {
	for _, n := range notes {
		switch {
		case n.word.text == "fails" && len(n.args) == 1 && failures[n.args[0].text]:
			sig.Fails = n.args[0].text
		case n.word.text == "alias":
			for _, a := range n.args {
				p.table.functions[a.text] = sig
			}
		default:
			p.fail(n.word, "no annotation @"+n.word.text+" fits a function", "@fails(negative), @fails(null), @fails(nonzero), @fails(eof), @alias(name, ...)")
		}
	}
	p.knownNames(sig)
}

var failures = set("negative null nonzero eof")

// knownNames checks that buf[count] names a parameter.
func (p *parser) knownNames(sig *ctype.Signature) {
	names := map[string]bool{"return": true}
	for i := range sig.Params {
		names[sig.Params[i].Name] = true
	}
	for i := range sig.Params {
		for _, name := range strings.FieldsFunc(sig.Params[i].Len+" "+sig.Params[i].Count, func(r rune) bool { return !isWordByte(byte(r)) }) {
			if _, isNumber := parseNumber(name); !names[name] && !isNumber {
				p.fail(p.tok, "no parameter is called \""+name+"\"")
			}
		}
	}
}

// nearTypes are the hints for a type that is not declared.
func (p *parser) nearTypes(name string) []string {
	var near []string
	for t := p.table; t != nil; t = t.parent {
		for known := range t.types {
			if strings.EqualFold(known, name) || strings.HasPrefix(known, name) || strings.HasPrefix(name, known) {
				near = append(near, known)
			}
		}
	}
	sort.Strings(near)
	hints := []string{"declare it first: typedef ... " + name + ";"}
	if len(near) > 0 {
		hints = append(hints, "near names: "+strings.Join(near[:min(3, len(near))], ", "))
	}
	return append(hints, "a header that includes others is read whole after gcc -E")
}
