package capture

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// smallMap captures the entries of a Go map of at most eight, all of which lie in one group: since Go 1.24 a map that has no
// directory of tables. What the group's entries point at is captured for those that are there. Source:
// internal/runtime/maps/map.go and group.go.
func (b *builder) smallMap(n *tree, u *ctype.Type, to origin, depth int) {
	group := plan.MapGroup(u)
	at, _, found := find(&ctype.Type{Kind: ctype.Struct, Fields: u.Fields}, "dirPtr")
	length, _, counted := find(&ctype.Type{Kind: ctype.Struct, Fields: u.Fields}, "dirLen")
	if group == nil || !found || !counted || !b.reachesBlock(depth) || !b.room(2) {
		return
	}
	address := to.word(at, 8, false)
	small := &plan.Unary{Op: "!", X: to.word(length, 8, false), T: signed}
	from := origin{addr: address, when: and(and(to.when, to.word(0, 8, false)), small)}
	m := &tree{Node: plan.Node{Lang: b.lang, Type: group}}
	b.block(m, group, from)
	n.follow = append(n.follow, m)
	if isNumber(u.Key) && isNumber(u.Elem) {
		return
	}
	for i := range group.Fields[1:] {
		entry := &group.Fields[1+i]
		full := &plan.Unary{Op: "!", X: binary("&", from.word(int64(i), 1, false), constant(plan.MapEmpty)), T: signed}
		inside := origin{addr: address, when: and(from.when, full)}
		b.walk(m, entry.Type, inside, entry.Offset, depth+1, 1)
	}
}
