package user

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// aimed is the sites of a plan and what runs there, and the windows for them that were found in files.
type aimed struct {
	plan    *plan.Plan
	objects []int // of the plan, those that have sites
	spots   map[int][]spot
	lock    sync.Mutex
	found   map[ground]*findings
}

// ground is what windows depend on beside the plan.
type ground struct {
	file   *file
	object int
	throws bool // handlers of signals may throw exceptions
}

// findings are the windows in a file, where they lie in it.
type findings struct {
	windows []window
	refused []refused
}

func newAimed(p *plan.Plan, spots []spot) *aimed {
	a := &aimed{plan: p, spots: map[int][]spot{}, found: map[ground]*findings{}}
	for _, s := range spots {
		i := s.site.Object
		if a.spots[i] == nil {
			a.objects = append(a.objects, i)
		}
		a.spots[i] = append(a.spots[i], s)
	}
	return a
}

// aims lists the sites of a plan and what runs there.
func aims(p *plan.Plan, code *codegen.Program) []spot {
	var out []spot
	for i, prog := range code.Progs {
		if prog.Probe < 0 || prog.Part == codegen.RunPart {
			continue
		}
		probe := &p.Probes[prog.Probe]
		for j := range probe.Sites {
			s := &probe.Sites[j]
			if s.Body < prog.From || s.Body >= prog.To || codegen.PartOf(probe.Kind, s.Role) != prog.Part {
				continue
			}
			out = append(out, spot{site: s, probe: prog.Probe, index: j, program: i, cookie: codegen.Cookie(p, probe.Kind, s)})
		}
	}
	return out
}

// all refuses all sites in an object.
func (a *aimed) all(object int, why error) (list []refused) {
	for _, s := range a.spots[object] {
		list = append(list, refused{s.site, s.probe, why.Error()})
	}
	return list
}

// find gives the windows in an object.
func (a *aimed) find(f *file, i int, throws bool) *findings {
	a.lock.Lock()
	defer a.lock.Unlock()
	at := ground{f, i, throws}
	if known := a.found[at]; known != nil {
		return known
	}
	w := &search{plan: a.plan, file: f, at: &object{file: f, index: i}, throws: throws, entered: map[symbol.Addr]bool{}, pads: decides(a.plan)}
	w.all(w.functions(a.spots[i]))
	a.found[at] = &w.findings
	return &w.findings
}

// search looks for the windows in a file.
type search struct {
	plan   *plan.Plan
	file   *file
	at     *object // where the file says
	throws bool
	findings
	entered map[symbol.Addr]bool // functions whose second instruction another one jumps to
	pads    bool                 // hits go on as they are at the site, stack pointer included
}

// group is the sites of one function.
type group struct {
	fn    *symbol.Function
	spots []spot
}

// functions tells which sites belong to which functions.
func (w *search) functions(spots []spot) (order []*group) {
	groups := map[symbol.Addr]*group{}
	for _, s := range spots {
		fn, _, ok := w.file.Enclosing(s.site.Addr)
		if !ok {
			w.refused = append(w.refused, refused{s.site, s.probe, "it lies in no function whose extent is known"})
			continue
		}
		g := groups[fn.Addr]
		if g == nil {
			g = &group{fn: fn}
			groups[fn.Addr] = g
			order = append(order, g)
		}
		g.spots = append(g.spots, s)
	}
	return order
}

// pair is a function whose returns a probe sees.
type pair struct{ probe, function int }

// all plans the windows of all functions. A probe that cannot see every way out of a function sees none: its figures would be those of some calls.
func (w *search) all(groups []*group) {
	elsewhere := slices.Clone(w.refused)
	without := map[pair]refused{}
	for again := true; again; {
		w.refused, w.windows, again = w.refused[:0], w.windows[:0], false
		for _, g := range groups {
			spots := slices.DeleteFunc(slices.Clone(g.spots), func(s spot) bool {
				_, dropped := without[pair{s.probe, s.site.Function}]
				return dropped
			})
			if len(spots) > 0 {
				w.function(g.fn, spots)
			}
		}
		again = w.keepOthersOut()
		for _, r := range w.refused {
			at := pair{r.probe, r.site.Function}
			if _, known := without[at]; !known && w.plan.Probes[r.probe].Kind == plan.Return {
				without[at], again = r, true
			}
		}
	}
	w.refused = append(w.refused, elsewhere...)
	for _, r := range without {
		w.refused = append(w.refused, r)
	}
}

// function finds the windows of one function.
func (w *search) function(fn *symbol.Function, spots []spot) {
	choices := make([]site.Choice, len(spots))
	for i, s := range spots {
		choices[i] = s.site.Choice
		choices[i].Offset = uint64(s.site.Addr - fn.Addr)
	}
	golang := fn.Lang == event.LangGo
	found := w.file.windows(fn, choices, golang || w.throws && w.file.Unwinds(), !w.pads && !w.entered[fn.Addr])
	for i := range spots {
		spots[i].atEntry = found.atEntry[i]
	}
	for _, r := range found.refused {
		w.refused = append(w.refused, refused{spots[r.Site].site, spots[r.Site].probe, r.Why})
	}
	for _, one := range found.windows {
		win := window{Window: one, golang: golang, fn: fn.Addr, object: w.at}
		for _, i := range one.Sites {
			win.spots = append(win.spots, spots[i])
		}
		w.windows = append(w.windows, win)
	}
}

// keepOthersOut refuses the windows into which other functions jump, and those with instructions that the kernel knows by their addresses. Of a window behind a
// function's first instruction its start counts as well: then again is true, and the function is to be planned with a window at its first one.
func (w *search) keepOthersOut() (again bool) {
	starts := make([]start, len(w.windows))
	for i := range w.windows {
		starts[i] = start{symbol.Addr(w.windows[i].Addr), w.windows[i].Aside}
	}
	kept := w.windows[:0]
	for i, entered := range w.file.jumpedInto(starts) {
		switch one := &w.windows[i]; {
		case w.file.restarts(&one.Window):
			w.refuse(one, "the kernel starts a restartable sequence (rseq) over by the addresses of its instructions")
		case !entered:
			kept = append(kept, *one)
		case one.Aside:
			w.entered[one.fn], again = true, true
		default:
			w.refuse(one, "another function jumps into the bytes that the jump would take")
		}
	}
	w.windows = kept
	return again
}

func (w *search) refuse(win *window, why string) {
	for _, s := range win.spots {
		w.refused = append(w.refused, refused{s.site, s.probe, why})
	}
}

// planned is what was found for a function, at the addresses of its file.
type planned struct {
	windows []relocate.Window
	refused []relocate.Refusal
	atEntry []bool // by site; see spot
}

// refuse refuses all sites.
func (p *planned) refuse(why string) *planned {
	for i := range p.atEntry {
		p.refused = append(p.refused, relocate.Refusal{Site: i, Why: why})
	}
	return p
}

// plan plans the windows of a function.
func (f *file) plan(fn *symbol.Function, choices []site.Choice, still, aside bool) *planned {
	p := &planned{atEntry: make([]bool, len(choices))}
	code, err := f.Code(fn)
	if err != nil {
		return p.refuse(err.Error())
	}
	if fn.Lang == event.LangGo && onTheLastBytes(fn.Name, code) {
		return p.refuse("it runs on what is left of a goroutine's stack, where the gate would not fit")
	}
	of := &relocate.Function{
		Name: fn.Name, Addr: uint64(fn.Addr), Code: code, After: f.after(fn, len(code)), Cold: f.coldParts(fn), Landings: f.landings(fn), Aside: aside,
		Seen: func(insts []site.Inst) { f.leave(fn, code, insts) },
		Read: func(addr uint64, buf []byte) bool { return f.ReadAt(symbol.Addr(addr), buf) == nil },
	}
	if still {
		of.Refuse = unmovable
	}
	for i, c := range choices {
		if c.Offset < uint64(len(code)) { // cold parts lie elsewhere
			p.atEntry[i] = atEntry(code[c.Offset:])
		}
	}
	p.windows, p.refused = f.room.Plan(of, choices)
	return p
}

// atEntry reports whether an instruction says by itself that the return address is on top of the stack (is_uprobe_at_func_entry,
// kernel/events/core.c).
func atEntry(code []byte) bool {
	return code[0] == 0x55 || bytes.HasPrefix(code, []byte{0xf3, 0x0f, 0x1e, 0xfa})
}

// onTheLastBytes reports whether a function of Go's runtime does not check its stack: chains of such functions may use all that is kept
// free below a goroutine's stack (cmd/link, stackcheck), and a gate takes 40 bytes of it.
func onTheLastBytes(name string, code []byte) bool {
	for _, prefix := range []string{"runtime.", "runtime/", "internal/runtime/", "internal/abi.", "internal/bytealg.", "syscall.", "reflect."} {
		if strings.HasPrefix(name, prefix) {
			choice, err := site.ChooseEntry(code, event.LangGo)
			return err != nil || choice.Offset == 0
		}
	}
	return false
}
