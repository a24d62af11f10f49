package user

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// spot is a site of the plan and what runs there.
type spot struct {
	site    *plan.Site
	probe   int // index into the plan's probes
	index   int // of the site, in the probe's
	program int // index into the programs
	cookie  uint64
	pc      uint64
	atEntry bool // its instruction says by itself that the return address is on top of the stack
}

// window is a stretch of the process's code that is to be patched.
type window struct {
	relocate.Window
	spots  []spot // those of its sites, in their order
	golang bool
	object *object
	fn     symbol.Addr
}

// refused is a site that cannot be patched.
type refused struct {
	site  *plan.Site
	probe int
	why   string
}

// object is a file that the process maps, where it lies.
type object struct {
	*file
	index int // in the plan
	bias  symbol.Bias
}

// home names a function for good.
type home struct {
	object *object
	addr   symbol.Addr
}

// group is the sites of one function.
type group struct {
	object *object
	fn     *symbol.Function
	spots  []spot
}

// places finds the windows of a plan in a process.
type places struct {
	plan    *plan.Plan
	throws  bool // handlers of signals may throw exceptions
	survey  *Survey
	objects map[int]*object
	refused []refused
	absent  []refused // of objects that the process does not map
	windows []window
	entered map[home]bool // functions whose second instruction another one jumps to
	pads    bool          // hits go on as they are at the site, stack pointer included
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

// place plans the windows of the objects of a plan that a process maps, but for those that were placed before, and notes which they are.
func (s *Survey) place(p *plan.Plan, aims []spot, process *target.Process, placed map[int]symbol.Bias) (*places, error) {
	maps, err := process.Maps()
	if err != nil {
		return nil, err
	}
	habits, err := s.habitsOf(process)
	switch {
	case err != nil:
		return nil, err
	case habits.cancelled != nil && !p.Unsafe:
		return nil, habits.cancelled
	}
	w := &places{plan: p, throws: habits.throws, survey: s, objects: map[int]*object{}, entered: map[home]bool{}, pads: decides(p)}
	groups := map[home]*group{}
	var order []*group
	for _, aim := range aims {
		at := aim.site
		if _, known := placed[at.Object]; known {
			continue
		}
		obj, err := w.object(at.Object, maps)
		switch {
		case errors.Is(err, errAbsent):
			w.absent = append(w.absent, refused{at, aim.probe, err.Error()})
			continue
		case err != nil:
			w.refused = append(w.refused, refused{at, aim.probe, err.Error()})
			continue
		}
		fn, _, ok := obj.Enclosing(at.Addr)
		if !ok {
			w.refused = append(w.refused, refused{at, aim.probe, "it lies in no function whose extent is known"})
			continue
		}
		g := groups[home{obj, fn.Addr}]
		if g == nil {
			g = &group{object: obj, fn: fn}
			groups[home{obj, fn.Addr}] = g
			order = append(order, g)
		}
		aim.pc = uint64(at.Addr.PC(obj.bias))
		g.spots = append(g.spots, aim)
	}
	for i, o := range w.objects {
		if o != nil {
			placed[i] = o.bias
		}
	}
	w.all(order)
	slices.SortFunc(w.windows, func(a, b window) int { return cmp.Compare(a.Addr, b.Addr) })
	return w, nil
}

// pair is a function whose returns a probe sees.
type pair struct{ probe, function int }

// all plans the windows of all functions. A probe that cannot see every way out of a function sees none: its figures would be those of some calls.
func (w *places) all(groups []*group) {
	elsewhere := w.refused
	without := map[pair]refused{}
	for again := true; again; {
		w.refused, w.windows, again = nil, nil, false
		for _, g := range groups {
			spots := slices.DeleteFunc(slices.Clone(g.spots), func(s spot) bool {
				_, dropped := without[pair{s.probe, s.site.Function}]
				return dropped
			})
			if len(spots) > 0 {
				w.function(g.object, g.fn, spots)
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

// errAbsent says that an object is not part of the process.
var errAbsent = errors.New("the process does not map it")

// object finds where the process maps one of the plan's files.
func (w *places) object(i int, maps []target.Mapping) (*object, error) {
	if o, known := w.objects[i]; known {
		if o == nil {
			return nil, errAbsent
		}
		return o, nil
	}
	w.objects[i] = nil
	file, err := w.survey.file(&w.plan.Objects[i])
	if err != nil {
		return nil, err
	}
	for _, m := range maps {
		if !m.Exec() || m.Ino != file.id.ino || !m.File() {
			continue
		}
		if bias, ok := file.Bias(m.Symbol()); ok {
			w.objects[i] = &object{file: file, index: i, bias: bias}
			return w.objects[i], nil
		}
	}
	return nil, errAbsent
}

// function finds the windows of one function.
func (w *places) function(o *object, fn *symbol.Function, spots []spot) {
	choices := make([]site.Choice, len(spots))
	for i, s := range spots {
		choices[i] = s.site.Choice
		choices[i].Offset = uint64(s.site.Addr - fn.Addr)
	}
	golang := fn.Lang == event.LangGo
	found := o.windows(fn, choices, golang || w.throws && o.Unwinds(), !w.pads && !w.entered[home{o, fn.Addr}])
	for i := range spots {
		spots[i].atEntry = found.atEntry[i]
	}
	for _, r := range found.refused {
		w.refused = append(w.refused, refused{spots[r.Site].site, spots[r.Site].probe, r.Why})
	}
	for _, one := range found.windows {
		win := window{Window: one.At(uint64(o.bias)), golang: golang, object: o, fn: fn.Addr}
		for _, i := range one.Sites {
			win.spots = append(win.spots, spots[i])
		}
		w.windows = append(w.windows, win)
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
	p.windows, p.refused = relocate.Plan(of, choices)
	return p
}

// atEntry reports whether an instruction says by itself that the return address is on top of the stack (is_uprobe_at_func_entry,
// kernel/events/core.c).
func atEntry(code []byte) bool {
	return code[0] == 0x55 || bytes.HasPrefix(code, []byte{0xf3, 0x0f, 0x1e, 0xfa})
}

func (w *places) refuse(win *window, why string) {
	for _, s := range win.spots {
		w.refused = append(w.refused, refused{s.site, s.probe, why})
	}
}

// keepOthersOut refuses the windows into which other functions jump. Of a window behind a function's first instruction its start counts as well: then
// again is true, and the function is to be planned with a window at its first one.
func (w *places) keepOthersOut() (again bool) {
	byObject := map[*object][]int{}
	for i := range w.windows {
		byObject[w.windows[i].object] = append(byObject[w.windows[i].object], i)
	}
	bad := map[int]bool{}
	for o, list := range byObject {
		starts := make([]start, len(list))
		for n, i := range list {
			starts[n] = start{symbol.PC(w.windows[i].Addr).Addr(o.bias), w.windows[i].Aside}
		}
		for n, entered := range o.jumpedInto(starts) {
			if entered {
				bad[list[n]] = true
			}
		}
	}
	var kept []window
	for i := range w.windows {
		if one := &w.windows[i]; bad[i] && one.Aside {
			w.entered[home{one.object, one.fn}], again = true, true
		} else if bad[i] {
			w.refuse(&w.windows[i], "another function jumps into the bytes that the jump would take")
		} else {
			kept = append(kept, w.windows[i])
		}
	}
	w.windows = kept
	return again
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
