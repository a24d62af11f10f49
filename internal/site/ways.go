package site

import "bytes"

// ways is how control moves within a function: what leads to each instruction.
type ways struct {
	*graph
	fn      FnInfo
	reads   Registers
	ret     int     // the ret that is looked at
	from    [][]int // by instruction: the direct jumps that lead there
	tables  []*switchTable
	entered []bool // by instruction: the function begins here, or is come back to in a way that is not followed
}

// maxParts bounds the parts of a function, maxTables its switches.
const (
	maxParts  = 16
	maxTables = 256
)

// newWays follows all jumps of a function. False: somewhere control may go that is not known.
func newWays(own []Part, fn FnInfo) (*ways, bool) {
	g, ok := whole(own, fn)
	if !ok {
		return nil, false
	}
	w := &ways{graph: g, fn: fn, from: make([][]int, len(g.insts)), entered: make([]bool, len(g.insts))}
	if len(g.insts) == 0 {
		return nil, false
	}
	w.entered[0] = true
	mine := w.last[len(own)-1] + 1
	for i, in := range w.insts {
		switch in.Flow {
		case Jump, CondJump:
			if to, ok := w.find(in.Target); ok {
				w.from[to] = append(w.from[to], i)
			} else if w.inside(in.Target) {
				return nil, false // the middle of an instruction
			}
		case Call:
			if to, ok := w.find(in.Target); ok {
				w.entered[to] = true
			} else if w.inside(in.Target) {
				return nil, false
			}
		}
	}
	for i, in := range w.insts {
		if in.Flow == JumpIndirect && !w.jumps(i, i < mine) {
			return nil, false
		}
	}
	return w, true
}

// whole decodes a function and what it goes on in elsewhere with no name of its own, which may lead back. Named functions do not.
func whole(own []Part, fn FnInfo) (*graph, bool) {
	parts := own
	for {
		g, err := newGraph(parts)
		if err != nil {
			return nil, false
		}
		more, ok := g.beyond(fn)
		switch {
		case !ok || len(parts)+len(more) > maxParts:
			return nil, false
		case len(more) == 0:
			return g, true
		}
		parts = append(parts[:len(parts):len(parts)], more...)
	}
}

// beyond lists the parts without a name that are jumped to; false: one is not known.
func (g *graph) beyond(fn FnInfo) ([]Part, bool) {
	x := exits{graph: g, fn: fn}
	var more []Part
	for i, in := range g.insts {
		if in.Flow != Jump && in.Flow != CondJump || g.inside(in.Target) || x.name(in.Target) != "" {
			continue
		}
		if (&graph{parts: more}).inside(in.Target) {
			continue
		}
		p, ok := Part{}, false
		if fn.Part != nil {
			p, ok = fn.Part(in.Target)
		}
		if s := g.before(i); s.sp.known && s.sp.at == 0 && (!ok || p.Start == in.Target || p.stub(in.Target)) {
			continue // a function of its own, for nothing of this one is left
		}
		if !ok || g.overlaps(p) {
			return nil, false
		}
		more = append(more, p)
	}
	return more, true
}

// stub reports whether what is at a place goes on elsewhere at once, as the procedure linkage table does.
func (p Part) stub(rel int64) bool {
	code := p.Code[rel-p.Start:]
	code, _ = bytes.CutPrefix(code, []byte(endbr64))
	in, err := decodeOne(code, 0)
	return err == nil && in.Flow == JumpIndirect
}

func (g *graph) overlaps(p Part) bool {
	for _, q := range g.parts {
		if p.Start < q.Start+int64(len(q.Code)) && q.Start < p.Start+int64(len(p.Code)) {
			return true
		}
	}
	return false
}

// first reports whether nothing stands before an instruction in its part.
func (w *ways) first(i int) bool {
	for _, p := range w.parts {
		if int64(w.insts[i].Offset) == p.Start {
			return true
		}
	}
	return false
}

// jumps follows an indirect jump; false: it may lead anywhere in the function. One without a frame leaves it.
func (w *ways) jumps(i int, mine bool) bool {
	if t, ok := w.switched(i); ok {
		if len(w.tables) == maxTables {
			return false
		}
		w.tables = append(w.tables, t)
		return true
	}
	if s := w.before(i); mine && s.reached && !s.weak && s.sp.known && s.sp.at == 0 {
		_, in := asmOf(w.insts[i])
		return !in
	}
	return false
}
