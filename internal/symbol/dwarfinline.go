package symbol

import (
	"debug/dwarf"
	"sort"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// InlineSite is one place where the compiler put a function's body in its caller.
type InlineSite struct {
	Name       string // the function
	Addr       Addr   // where its code begins here
	Caller     string // the function that contains it, which can be probed
	CallerAddr Addr
	File       string // of the call
	Line       int
}

const maxInlined = 100_000

// Inlined gives the places where a function was inlined, by address. The name may be plain, qualified or mangled.
func (f *File) Inlined(name string) []InlineSite {
	d, release := f.debugging()
	defer release()
	if d == nil || name == "" {
		return nil
	}
	w := wanted{name: name, last: lastComponent(beforeParameters(name)), matches: map[ref]bool{}}
	var sites []InlineSite
	for _, u := range d.units {
		u = u.full()
		if u.typeAt != 0 {
			continue
		}
		d.askFor(u)
		var callers []step
		u.scan(func(s step) {
			for len(callers) > 0 && callers[len(callers)-1].depth >= s.depth {
				callers = callers[:len(callers)-1]
			}
			switch {
			case s.end:
			case s.entry.tag == dwarf.TagSubprogram:
				callers = append(callers, s)
			case s.entry.tag == dwarf.TagInlinedSubroutine && len(callers) > 0 && len(sites) < maxInlined && w.is(s.entry):
				sites = append(sites, inlineSite(s.entry, callers[len(callers)-1].entry))
			}
		})
	}
	sort.Slice(sites, func(i, j int) bool { return sites[i].Addr < sites[j].Addr })
	for len(sites) > 0 && sites[0].Addr == 0 {
		sites = sites[1:] // within an abstract function, or dropped by the linker
	}
	return sites
}

// wanted is a function looked for by name among the origins of inlined instances.
type wanted struct {
	name, last string
	matches    map[ref]bool
}

func (w *wanted) is(e entryAt) bool {
	origin, ok := e.follow(dwarf.AttrAbstractOrigin)
	if !ok {
		return false
	}
	known, seen := w.matches[origin.ref()]
	if !seen {
		known = w.named(origin.origin())
		w.matches[origin.ref()] = known
	}
	return known
}

func (w *wanted) named(chain []entryAt) bool {
	plain := inheritedText(chain, dwarf.AttrName)
	if plain == w.name || inheritedText(chain, dwarf.AttrLinkageName) == w.name {
		return true
	}
	if plain != w.last && !strings.HasPrefix(plain, w.last+"<") {
		return false
	}
	display := displayName(chain)
	bare := beforeParameters(w.name)
	for _, form := range []string{display, beforeParameters(display), withoutAngles(beforeParameters(display))} {
		if form == w.name || form == bare {
			return true
		}
	}
	return false
}

// beforeParameters cuts "(int) const" off a name; the parentheses of Go's receivers and of anonymous namespaces stay.
func beforeParameters(name string) string {
	for i := 1; i < len(name); i++ {
		if name[i] == '(' && identifier(name[i-1]) {
			return name[:i]
		}
	}
	return name
}

// lastComponent is what stands behind the last "::" outside angle brackets.
func lastComponent(name string) string {
	depth, start := 0, 0
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '<':
			depth++
		case '>':
			depth--
		case ':':
			if depth == 0 && i > 0 && name[i-1] == ':' {
				start = i + 1
			}
		}
	}
	return name[start:]
}

func inlineSite(e, caller entryAt) InlineSite {
	var s InlineSite
	if addr, ok := e.unit.entryAddress(e); ok {
		s.Addr = Addr(addr)
	}
	if addr, ok := e.unit.code(caller); ok {
		s.CallerAddr = Addr(addr)
	} else {
		s.Addr = 0
	}
	s.Name, s.Caller = displayName(e.origin()), displayName(caller.origin())
	s.File, s.Line = e.callSite()
	return s
}

// callSite gives the line of the call that was inlined.
func (e entryAt) callSite() (file string, line int) {
	if n, ok := e.number(dwarf.AttrCallFile); ok && n >= 0 {
		file = e.unit.lineFile(uint64(n))
	}
	n, _ := e.number(dwarf.AttrCallLine)
	return file, int(n)
}

// Inlines gives the frames that one address stands for, innermost first: inlined functions and last the function that has the
// code. nil when nothing is inlined there.
func (f *File) Inlines(addr Addr) []event.Frame {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil
	}
	for _, u := range d.unitsAt(uint64(addr)) {
		u = u.full()
		d.askFor(u)
		chain := u.stackAt(uint64(addr))
		if len(chain) < 2 {
			continue
		}
		file, line, _ := u.line(uint64(addr))
		var frames []event.Frame
		for i := len(chain) - 1; i >= 0; i-- {
			frames = append(frames, event.Frame{Function: displayName(chain[i].origin()), File: file, Line: line, Inlined: i > 0})
			file, line = chain[i].callSite()
		}
		return frames
	}
	return nil
}

// stackAt gives the function whose code lies at an address, and what is inlined there, outermost first.
func (u *unit) stackAt(addr uint64) []entryAt {
	e, ok := u.functionAround(addr)
	if !ok {
		return nil
	}
	chain := []entryAt{e}
	for range maxDepth {
		inner, inlined, ok := u.descend(e, addr)
		if !ok {
			break
		}
		if inlined {
			chain = append(chain, inner)
		}
		e = inner
	}
	return chain
}

// descend finds the child that has the address.
func (u *unit) descend(e entryAt, addr uint64) (inner entryAt, inlined, ok bool) {
	e.children(func(c entryAt) bool {
		switch c.tag {
		case dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock, dwarf.TagTryDwarfBlock, dwarf.TagCatchDwarfBlock:
			for _, r := range u.rangesOf(c) {
				if r.low <= addr && addr < r.high {
					inner, inlined, ok = c, c.tag == dwarf.TagInlinedSubroutine, true
				}
			}
		}
		return !ok
	})
	return inner, inlined, ok
}

// functionAround finds the function whose ranges have the address.
func (u *unit) functionAround(addr uint64) (entryAt, bool) {
	spans := u.indexOf().functionSpans(u)
	i := sort.Search(len(spans), func(i int) bool { return spans[i].low > addr }) - 1
	if i < 0 || addr >= spans[i].high {
		return entryAt{}, false
	}
	e, ok := u.entry(spans[i].at)
	return e, ok && e.abbrev != nil
}

// functionSpan is one range of a function's code: the hot part and the cold part are two.
type functionSpan struct {
	low, high uint64
	at        uint64
}

func (x *unitIndex) functionSpans(u *unit) []functionSpan {
	if x.spans != nil {
		return x.spans
	}
	x.spans = []functionSpan{}
	for _, fn := range x.functions {
		if e, ok := u.entry(fn.at); ok && e.abbrev != nil {
			for _, r := range u.rangesOf(e) {
				x.spans = append(x.spans, functionSpan{r.low, r.high, fn.at})
			}
		}
	}
	sort.Slice(x.spans, func(i, j int) bool { return x.spans[i].low < x.spans[j].low })
	return x.spans
}
