package agg

import (
	"cmp"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
)

// Node is a function in the place of the call tree that its callers give it.
type Node struct {
	Function event.FunctionRef
	Calls    uint64
	Total    time.Duration // from entry to return, callees included
	Self     time.Duration // without probed callees
	Children []*Node       // largest total first once Tree.Root gave them out
	index    map[event.FunctionRef]*Node
}

// Tree merges the calls of all threads into one call tree. Calls may come in any order: it sorts by Sequence.
type Tree struct {
	order *Sequence
	root  Node
	open  map[owner][]frame
}

// frame is a call whose callees may still come: where it stands in the tree and when it ends.
type frame struct {
	node  *Node
	depth int
	end   time.Time
}

// NewTree holds back as many calls as Sequence may.
func NewTree(limit int, wait time.Duration) *Tree {
	return &Tree{order: NewSequence(limit, wait), open: map[owner][]frame{}}
}

// Add takes a call that arrived now. Unfinished calls give callees their place but no time.
func (t *Tree) Add(c *event.Call, now time.Time) {
	for _, c := range t.order.Add(c, now) {
		t.place(c)
	}
	if c.Depth == 0 && c.Outcome != event.Unfinished {
		delete(t.open, ownerOf(c)) // nothing can begin inside it any more
	}
}

// Root gives the tree of all calls so far; its own Function is empty, its Total the sum over the outermost calls.
// The tree must not be added to afterwards.
func (t *Tree) Root() *Node {
	for _, c := range t.order.Flush() {
		t.place(c)
	}
	t.root.finish()
	return &t.root
}

func (t *Tree) place(c *event.Call) {
	who := ownerOf(c)
	stack := t.open[who]
	for len(stack) > 0 && !stack[len(stack)-1].holds(c) {
		stack = stack[:len(stack)-1]
	}
	parent := &t.root
	if len(stack) > 0 {
		parent = stack[len(stack)-1].node
	}
	node := parent.child(event.FunctionRef{Target: c.Target, Function: c.Function, Language: c.Language})
	node.Calls++
	f := frame{node: node, depth: c.Depth}
	if c.Outcome.Ended() {
		node.Total += c.Duration
		f.end = c.Time.Add(c.Duration)
	}
	t.open[who] = append(stack, f)
}

// holds says whether a call began inside this one: deeper, and before this one ended (zero end: it did not).
func (f frame) holds(c *event.Call) bool {
	return c.Depth > f.depth && (f.end.IsZero() || !c.Time.After(f.end))
}

func (n *Node) child(ref event.FunctionRef) *Node {
	if n.index == nil {
		n.index = map[event.FunctionRef]*Node{}
	}
	if n.index[ref] == nil {
		n.index[ref] = &Node{Function: ref}
		n.Children = append(n.Children, n.index[ref])
	}
	return n.index[ref]
}

// finish computes what follows from the totals, and sorts.
func (n *Node) finish() {
	below := time.Duration(0)
	for _, child := range n.Children {
		child.finish()
		below += child.Total
	}
	if n.Function == (event.FunctionRef{}) {
		n.Total = below
	}
	n.Self = max(n.Total-below, 0)
	slices.SortFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Function.Function, b.Function.Function))
	})
}

// Profile is a function's share of a run.
type Profile struct {
	Function event.FunctionRef
	Calls    uint64
	Self     time.Duration
	Total    time.Duration // recursive calls count once, in the outermost
}

// Profiles sums a tree up by function, largest self time first.
func (n *Node) Profiles() []Profile {
	byFunction := map[event.FunctionRef]*Profile{}
	n.sum(byFunction, map[event.FunctionRef]bool{})
	rows := make([]Profile, 0, len(byFunction))
	for _, p := range byFunction {
		rows = append(rows, *p)
	}
	slices.SortFunc(rows, func(a, b Profile) int {
		return cmp.Or(cmp.Compare(b.Self, a.Self), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Function.Function, b.Function.Function),
			cmp.Compare(a.Function.Target, b.Function.Target))
	})
	return rows
}

func (n *Node) sum(into map[event.FunctionRef]*Profile, above map[event.FunctionRef]bool) {
	for _, child := range n.Children {
		p := into[child.Function]
		if p == nil {
			p = &Profile{Function: child.Function}
			into[child.Function] = p
		}
		p.Calls += child.Calls
		p.Self += child.Self
		recursive := above[child.Function]
		if !recursive {
			p.Total += child.Total
			above[child.Function] = true
		}
		child.sum(into, above)
		if !recursive {
			delete(above, child.Function)
		}
	}
}
