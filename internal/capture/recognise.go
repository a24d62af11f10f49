package capture

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// recognise captures a value of a library's type, known by its name, as what it means to its author: a string class as
// text, a vector as its elements. It fills the node and reports true; false leaves the value to its fields.
func (b *builder) recognise(n *tree, t *ctype.Type, from origin, depth int) bool {
	u := t.Underlying()
	if u == nil || u.Kind != ctype.Struct {
		return false
	}
	switch u.Lang {
	case event.LangCPP:
		return b.cplusplus(n, u, from, depth)
	case event.LangRust:
		return b.rust(n, u, from, depth)
	}
	return false
}

// textByName reports a library's string type.
func textByName(u *ctype.Type) bool {
	return false
}

func (b *builder) cplusplus(n *tree, u *ctype.Type, from origin, depth int) bool { return false }

func (b *builder) rust(n *tree, u *ctype.Type, from origin, depth int) bool { return false }

// walkCases follows the pointers of every variant of a Rust enum, each only if its variant is there.
func (b *builder) walkCases(n *tree, u *ctype.Type, from origin, off int64, depth, nesting int) {
}
