package site

import "fmt"

// Before is what a site before a ret tells of that ret, to which nothing leads from there but what undoes the frame.
type Before struct {
	// %rsp at the ret is Frame more than %rsp at the site, or, where ByRBP, than %rbp.
	Frame  int64
	ByRBP  bool
	Result Value // what %rax holds at the ret
	// Switch: only in these cases control goes to the ret.
	Switch Switch
}

// Switch is the condition of a switch: the lower half of a register has the value of a bit of Cases. No Cases: there is none.
type Switch struct {
	Reg   uint8
	Cases uint64
}

// maxBefore bounds the sites that one ret is replaced by, maxTail the instructions between a site and it.
const (
	maxBefore = 32
	maxTail   = 64
)

// EarlierReturns looks for sites that the kernel emulates where ChooseReturns found a ret, which it single-steps: instructions of which every way to
// the ret passes exactly one, and behind which nothing happens but that registers are put back. It is for who reads none but the given registers
// there, and %rsp by Before. It gives, by the offset of a ret, the sites in its place. A ret that is not among them has none that cost less.
// It is not for Go.
func EarlierReturns(code []byte, fn FnInfo, reads Registers) map[uint64][]Choice {
	own := append([]Part{{0, code}}, fn.Cold...)
	w, ok := newWays(own, fn)
	if !ok {
		return nil
	}
	w.reads = reads
	found := map[uint64][]Choice{}
	for i, in := range w.insts[:w.last[len(own)-1]+1] {
		if in.Flow != Return {
			continue
		}
		if choices := w.instead(i); choices != nil {
			found[in.Offset] = choices
		}
	}
	return found
}

// way is one way to a ret: a site, and the instruction from which on control goes straight to the ret.
type way struct {
	at, to int
	cond   uint8        // of the site
	called bool         // the site is a call that comes back soon
	table  *switchTable // control goes from the site to the instruction through a table
	cases  uint64
}

// instead gives the sites in place of the ret at i, nil when they would not cost less.
func (w *ways) instead(i int) []Choice {
	w.ret = i
	list := w.to(i)
	if len(list) > maxBefore {
		return nil
	}
	var choices []Choice
	gain := false
	for _, way := range list {
		in := w.insts[way.at]
		before, ok := w.tells(way)
		if !ok || before.Frame <= 0 || before.Frame%8 != 0 || before.Frame >= MaxBefore {
			return nil // without a frame, code that is no compiler's may come from anywhere
		}
		c, err := in.choice(BeforeRet, before.describe(way))
		if err != nil {
			return nil
		}
		c.Cond, c.Before = way.cond, before
		gain = gain || c.Cost < Stepped
		choices = append(choices, c)
	}
	if !gain {
		return nil
	}
	return choices
}

// to lists the ways to instruction i, which goes straight to the ret.
func (w *ways) to(i int) []way {
	if in := w.insts[i]; in.Cost() == Emulated && in.refusal() == "" {
		return []way{{at: i, to: i}} // a nop
	}
	dear := []way{{at: i, to: i}}
	if w.entered[i] {
		return dear
	}
	var list []way
	for _, from := range w.from[i] {
		in := w.insts[from]
		if in.Cost() != Emulated || in.refusal() != "" || in.Flow == CondJump && in.condition() == 0 {
			return dear
		}
		way := way{at: from, to: i}
		if in.Flow == CondJump {
			way.cond = in.condition()
		}
		list = append(list, way)
	}
	for _, t := range w.tables {
		cases, few := t.casesOf(i)
		if !few || cases != 0 && t.index == noRegister {
			return dear
		}
		if cases != 0 {
			list = append(list, way{at: t.guard, to: i, cond: w.insts[t.guard].condition() ^ 1, table: t, cases: cases})
		}
	}
	above, ok := w.above(i)
	if !ok || len(list)+len(above) == 0 {
		return dear
	}
	return append(list, above...)
}

// above lists the ways that come from the instruction before i; false: one of them is none that costs less.
func (w *ways) above(i int) ([]way, bool) {
	if w.first(i) || ends(w.insts[i-1]) {
		return nil, true
	}
	switch in := w.insts[i-1]; {
	case in.Flow == CondJump:
		cheap := in.Cost() == Emulated && in.refusal() == "" && in.condition() != 0
		return []way{{at: i - 1, to: i, cond: in.condition() ^ 1}}, cheap
	case in.Flow == Call && w.fn.Soon != nil && w.fn.Soon(in.Target):
		last := way{at: i - 1, to: i, called: true}
		b, ok := w.tells(last)
		return []way{last}, ok && b.Result.Kind == Fixed && in.refusal() == ""
	case in.Flow != Next || w.ret-i >= maxTail:
		return nil, false
	}
	if _, ok := w.tells(way{at: i - 1, to: i - 1}); !ok {
		return nil, false
	}
	return w.to(i - 1), true
}

// tells follows what a way does to the registers; false: at its site it is not known what is read at the ret.
func (w *ways) tells(y way) (*Before, bool) {
	t := newTail()
	if y.called {
		t.call()
	}
	if y.table != nil {
		for _, in := range w.insts[y.table.guard+1 : y.table.jump] {
			t.forget(in)
		}
	}
	for _, in := range w.insts[y.to:w.ret] {
		if !t.step(in) {
			return nil, false
		}
	}
	for r := uint8(0); r < 16; r++ {
		if w.reads>>r&1 == 1 && r != regAX && r != regSP && t.regs[r] != (Value{Kind: Whole, Reg: r}) {
			return nil, false
		}
	}
	b := &Before{Frame: t.sp.at, ByRBP: t.sp.byRBP, Result: t.regs[regAX]}
	if y.table != nil {
		b.Switch = Switch{y.table.index, y.cases}
	}
	return b, t.sp.known && (w.reads>>regAX&1 == 0 || b.Result.Kind != Unknown)
}

// MaxBefore bounds Before.Frame.
const MaxBefore = 32 << 10

func (b *Before) describe(y way) string {
	text := "nothing follows but the way to ret"
	if y.called {
		text = "nothing follows but this call, known to come back, and the way to ret"
	}
	if b.Switch.Cases != 0 {
		text = "in some cases of a switch " + text
	}
	switch b.Result.Kind {
	case Unknown:
		return text
	case Fixed:
		return fmt.Sprintf("%s; the result is %d", text, b.Result.Fixed)
	}
	return text + "; the result is in " + b.Result.register()
}
