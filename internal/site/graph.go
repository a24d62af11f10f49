package site

import (
	"cmp"
	"slices"
)

// Part is a stretch of a function's code. Start counts from the function's first byte and may be negative: compilers
// put unlikely paths ("name.cold") before or behind everything else.
type Part struct {
	Start int64
	Code  []byte
}

// graph is all instructions of a function with what is known of the stack before each.
type graph struct {
	insts []Inst
	parts []Part
	last  []int   // place in insts of the last instruction of each part
	state []state // of the stack before each instruction; nil until before asks
}

// newGraph decodes all parts. Offsets of cold parts count from the function's start, modulo 2^64.
func newGraph(parts []Part) (*graph, error) {
	g := &graph{parts: parts}
	for _, p := range parts {
		insts, err := Decode(p.Code)
		if err != nil {
			return nil, err
		}
		for _, in := range insts {
			in.Offset += uint64(p.Start)
			in.Target += p.Start
			g.insts = append(g.insts, in)
		}
		g.last = append(g.last, len(g.insts)-1)
	}
	return g, nil
}

// before gives what is known of the stack before instruction i runs. Most functions are told without.
func (g *graph) before(i int) state {
	if g.state == nil {
		g.state = make([]state, len(g.insts))
		g.follow()
	}
	return g.state[i]
}

// find gives the place of the instruction at an offset.
func (g *graph) find(rel int64) (int, bool) {
	first := 0
	for n, p := range g.parts {
		if rel >= p.Start && rel < p.Start+int64(len(p.Code)) {
			i, ok := slices.BinarySearchFunc(g.insts[first:g.last[n]+1], rel, func(in Inst, rel int64) int {
				return cmp.Compare(int64(in.Offset), rel)
			})
			return first + i, ok
		}
		first = g.last[n] + 1
	}
	return 0, false
}

// inside reports whether a place lies in the function's own code.
func (g *graph) inside(rel int64) bool {
	for _, p := range g.parts {
		if rel >= p.Start && rel < p.Start+int64(len(p.Code)) {
			return true
		}
	}
	return false
}

// state is what is known before an instruction runs: where %rsp and %rbp point, relative to %rsp at entry.
//
//	sp = entry rsp + sp.at    (0 at entry and at ret, negative in between)
type state struct {
	reached bool
	weak    bool // only by falling out of a call, which may never return
	sp, bp  place
}

// place is a stack address; known is false when the code computes it in a way that is not followed.
type place struct {
	at    int64
	known bool
}

func (p place) plus(n int64) place { return place{p.at + n, p.known} }

// follow walks from the start along all branches until nothing changes. What only switches and the unwinder reach is
// walked afterwards, as if it began with the stack as it is at most calls.
func (g *graph) follow() {
	if len(g.insts) == 0 {
		return
	}
	g.walk(0, state{reached: true, sp: place{0, true}})
	body := g.body()
	ended := true
	for i, in := range g.insts {
		switch {
		case in.nop():
			continue
		case ended && !g.state[i].reached:
			g.walk(i, state{reached: true, weak: true, sp: body})
		}
		ended = ends(in)
	}
}

// body gives the stack depth of the function's body: that of its switch, or of most of its calls.
func (g *graph) body() place {
	count := map[place]int{}
	best := place{}
	for i, in := range g.insts {
		s := g.state[i]
		switch {
		case !s.reached:
		case in.Flow == JumpIndirect:
			return s.sp
		case in.Flow == Call || in.Flow == CallIndirect:
			if count[s.sp]++; count[s.sp] > count[best] {
				best = s.sp
			}
		}
	}
	return best
}

// ends reports whether control never goes on to the next instruction.
func ends(in Inst) bool {
	switch in.Flow {
	case Jump, JumpIndirect, Return, Stop:
		return true
	}
	return false
}

// edge is a way to an instruction.
type edge struct {
	to int
	s  state
}

// walk spreads a state from instruction i. Ways out of calls are taken last and in order of address: by then most of
// what begins behind a call that never returns is known from its branches. A state changes at most four times, so
// this ends.
func (g *graph) walk(i int, s state) {
	sure, perhaps := []edge{{i, s}}, []edge(nil)
	for len(sure)+len(perhaps) > 0 {
		var e edge
		if len(sure) > 0 {
			e, sure = sure[len(sure)-1], sure[:len(sure)-1]
		} else {
			e, perhaps = first(perhaps)
		}
		if !g.state[e.to].join(e.s) {
			continue
		}
		for _, next := range g.successors(e.to) {
			if next.s.weak {
				perhaps = append(perhaps, next)
			} else {
				sure = append(sure, next)
			}
		}
	}
}

// first takes the edge with the lowest address out of a list.
func first(edges []edge) (edge, []edge) {
	least := 0
	for i, e := range edges {
		if e.to < edges[least].to {
			least = i
		}
	}
	e := edges[least]
	edges[least] = edges[len(edges)-1]
	return e, edges[:len(edges)-1]
}

// successors are the ways on from an instruction whose state is known.
func (g *graph) successors(i int) []edge {
	var out []edge
	in, before := g.insts[i], g.state[i]
	after := before
	after.step(in)
	after.weak = false
	if in.Flow == Jump || in.Flow == CondJump {
		if to, ok := g.find(in.Target); ok {
			out = append(out, edge{to, after})
		}
	}
	if !ends(in) && !slices.Contains(g.last, i) {
		after.weak = in.Flow == Call || in.Flow == CallIndirect || in.nop() && before.weak
		out = append(out, edge{i + 1, after})
	}
	return out
}

// join merges what another way to the same instruction knows; it reports whether anything changed. Falling out of a
// call counts least: behind one that never returns begins other code.
func (s *state) join(other state) bool {
	switch {
	case !s.reached, s.weak && !other.weak:
		changed := *s != other
		*s = other
		return changed
	case other.weak && !s.weak:
		return false
	}
	old := *s
	if s.sp != other.sp {
		s.sp = place{}
	}
	if s.bp != other.bp {
		s.bp = place{}
	}
	return *s != old
}
