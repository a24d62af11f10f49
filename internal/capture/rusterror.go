package capture

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// ioError is std::io::Error: one word whose low two bits say what the rest is. What the cases hold is told by the type
// that the word stands for, which is named beside it. Source: library/std/src/io/error/repr_bitpacked.rs.
//
//	struct Error { repr: Repr }   struct Repr(NonNull<()>, PhantomData<ErrorData<Box<Custom>>>)
func (b *builder) ioError(n *tree, u *ctype.Type, from origin, depth int) bool {
	word := from.word(0, 8, false)
	_, marker, ok := u.Find("__1", func(t *ctype.Type) bool {
		return strings.HasPrefix(t.Name, "core::marker::PhantomData<") && len(t.Args) == 1
	})
	if word == nil || !ok || u.Sizeof() != 8 || !b.reachesText(depth) {
		return false
	}
	message, custom, kind := errorCase(marker.Args[0], "SimpleMessage"), errorCase(marker.Args[0], "Custom"), errorCase(marker.Args[0], "Simple")
	if message == nil || custom == nil || kind == nil || message.Underlying().Elem == nil || custom.Underlying().Elem == nil {
		return false
	}
	n.View = plan.AsVariant
	tag := binary("&", word, constant(3))
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(from.when, tag)}, 0, 8)}
	high := []plan.Expr{binary(">>", word, constant(32))}
	code := &ctype.Type{Kind: ctype.Int, Name: "i32", Size: 4, Lang: event.LangRust, Format: "errno"}
	for i, c := range []struct {
		t  *ctype.Type
		at origin
	}{
		{theCase("SimpleMessage", message.Underlying().Elem), origin{addr: word}},
		{theCase("Custom", custom.Underlying().Elem), origin{addr: add(word, -1)}},
		{theCase("Os", oneField("code", code)), origin{words: high}},
		{theCase("Kind", oneField("__0", kind)), origin{words: high}},
	} {
		c.at.when = and(from.when, compare("==", tag, int64(i)))
		b.later(depth, func() {
			m := b.whole(c.t, c.at, depth)
			m.At = int64(i)
			n.follow = append(n.follow, m)
		})
	}
	return true
}

// errorCase is what a case of an enum holds; nil when it is not there.
func errorCase(t *ctype.Type, name string) *ctype.Type {
	u := t.Underlying()
	if u == nil || u.Variants == nil {
		return nil
	}
	for i := range u.Variants.Cases {
		c := &u.Variants.Cases[i]
		if s := c.Type.Underlying(); c.Name == name && s != nil && len(s.Fields) == 1 && s.Fields[0].Type.Underlying() != nil {
			return s.Fields[0].Type
		}
	}
	return nil
}

// theCase is an enum of one case.
func theCase(name string, t *ctype.Type) *ctype.Type {
	cases := &ctype.Variants{Cases: []ctype.VariantCase{{Name: name, Type: t}}}
	return &ctype.Type{Kind: ctype.Variant, Lang: event.LangRust, Size: t.Sizeof(), Variants: cases}
}

func oneField(name string, t *ctype.Type) *ctype.Type {
	return &ctype.Type{Kind: ctype.Struct, Lang: event.LangRust, Size: t.Sizeof(), Fields: []ctype.Field{{Name: name, Type: t}}}
}
