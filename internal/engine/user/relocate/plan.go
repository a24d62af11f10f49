package relocate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/site"
)

const (
	pageSize = 4096
	// block is the alignment of what compilers put behind padding, functionAlign that of functions.
	block, functionAlign = 8, 16
)

// Plan is Room.Plan for one function.
func Plan(f *Function, sites []site.Choice) ([]Window, []Refusal) { return new(Room).Plan(f, sites) }

// Room is memory that planning takes, used again for function after function.
type Room struct {
	insts   []site.Inst
	targets map[int64]bool
}

// manyTargets is how many places of a function are looked up in a map that is used again: emptying one takes as long as the most it has held.
const manyTargets = 256

// Plan finds a window for each site of a function. Sites that lie close together share one. What has none is refused, with the
// reason; the windows are those of the rest, in order of address.
func (r *Room) Plan(f *Function, sites []site.Choice) ([]Window, []Refusal) {
	p, err := r.planner(f)
	if err != nil {
		var refused []Refusal
		for i := range sites {
			refused = append(refused, Refusal{i, err.Error()})
		}
		return nil, refused
	}
	order := make([]int, len(sites))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(int64(sites[a].Offset), int64(sites[b].Offset)) })
	windows, refused := p.plan(sites, order, f.Aside)
	if f.Aside && len(refused) > 0 {
		if exposed, fewer := p.plan(sites, order, false); len(fewer) < len(refused) {
			return exposed, fewer
		}
	}
	return windows, refused
}

// plan finds windows for the sites, which are in order of address.
func (p *planner) plan(sites []site.Choice, order []int, aside bool) (windows []Window, refused []Refusal) {
	var spans []stretch
	if aside {
		spans, order = p.aside(sites, order)
	}
	for _, i := range order {
		if why := byName(p.f.Name, sites[i].Role); why != "" {
			refused = append(refused, Refusal{i, why})
			continue
		}
		s, err := p.stretch(int64(sites[i].Offset), i)
		if err == nil {
			spans, err = p.add(spans, s)
		}
		if err != nil {
			refused = append(refused, Refusal{i, err.Error()})
		}
	}
	for _, s := range spans {
		windows = append(windows, p.window(s))
	}
	return windows, refused
}

// part is one stretch of the function's code and its instructions.
type part struct {
	start int64 // of its first byte, from the function's start
	code  []byte
	after []byte
	insts []site.Inst // offsets count from the part's start
}

// planner is what is known of a function.
type planner struct {
	f        *Function
	parts    []part
	targets  map[int64]bool // places that something other than the instruction before leads to
	computed bool           // some jump goes where no table that could be read says
}

func (r *Room) planner(f *Function) (*planner, error) {
	if r.targets == nil || len(r.targets) > manyTargets {
		r.targets = map[int64]bool{}
	}
	clear(r.targets)
	p := &planner{f: f, targets: r.targets, parts: make([]part, 0, 1+len(f.Cold))}
	p.parts = append(p.parts, part{start: 0, code: f.Code, after: f.After})
	for _, c := range f.Cold {
		p.parts = append(p.parts, part{start: c.Start, code: c.Code})
	}
	r.insts = r.insts[:0]
	for i := range p.parts {
		from := len(r.insts)
		var err error
		if r.insts, err = site.DecodeTo(r.insts, p.parts[i].code); err != nil {
			return nil, fmt.Errorf("its instructions cannot be told: %w", err)
		}
		p.parts[i].insts = r.insts[from:]
	}
	if f.Seen != nil {
		f.Seen(p.parts[0].insts)
	}
	for _, at := range f.Landings {
		p.targets[at] = true
	}
	p.findTargets()
	return p, nil
}

// stretch is a window being planned: instructions from to to (exclusive) of one part, and bytes of padding behind.
type stretch struct {
	part     int
	from, to int
	padding  int
	sites    []int   // as asked for
	at       []int   // the instructions that they are seen before
	lower    []int64 // how much lower the stack pointer is there than at the site
	aside    bool    // it begins behind the function's first instruction, which has sites
}

// find gives the place of the instruction at an offset.
func (p *planner) find(offset int64) (part, inst int, ok bool) {
	for n, one := range p.parts {
		if offset < one.start || offset >= one.start+int64(len(one.code)) {
			continue
		}
		i, ok := slices.BinarySearchFunc(one.insts, offset-one.start, func(in site.Inst, at int64) int { return cmp.Compare(int64(in.Offset), at) })
		return n, i, ok
	}
	return 0, 0, false
}

// stretch finds the shortest window for a site: the site itself and what follows, and if that is cut short by an end, instructions
// before it.
func (p *planner) stretch(offset int64, asked int) (stretch, error) {
	n, i, ok := p.find(offset)
	if !ok {
		return stretch{}, fmt.Errorf("no instruction begins at +%#x", offset)
	}
	s := stretch{part: n, from: i, sites: []int{asked}, at: []int{i}, lower: []int64{0}}
	first := error(nil)
	for ; s.from >= 0; s.from-- {
		err := p.fill(&s)
		if err == nil {
			return s, nil
		}
		if first == nil || errors.As(first, new(shortError)) {
			first = err
		}
		if s.from == 0 || p.target(n, s.from) || !p.passesOn(n, s.from-1) {
			break
		}
	}
	return stretch{}, first
}

// passesOn reports whether an instruction can stand before a site in its window: control always reaches the next.
func (p *planner) passesOn(n, i int) bool {
	in := p.parts[n].insts[i]
	return in.Flow == site.Next && refusal(in) == ""
}

// fill extends a stretch from its first instruction until five bytes are covered, its sites included, and checks what it covers.
func (p *planner) fill(s *stretch) error {
	one := p.parts[s.part]
	last := s.at[len(s.at)-1]
	s.to, s.padding = s.from, 0
	for size := 0; size < JumpLen || s.to <= last; {
		if s.to == len(one.insts) || s.to > s.from && ends(one.insts[s.to-1]) {
			if s.to <= last || size+p.padding(s.part, s.to) < JumpLen {
				return p.short(s, size)
			}
			s.padding = JumpLen - size
			break
		}
		in := one.insts[s.to]
		if s.to > s.from && p.target(s.part, s.to) {
			return fmt.Errorf("a branch leads to +%#x, into the bytes that the jump would take", one.start+int64(in.Offset))
		}
		if why := refusal(in); why != "" {
			return fmt.Errorf("%s at +%#x %s", in.Text(), one.start+int64(in.Offset), why)
		}
		size += in.Len
		s.to++
	}
	return p.check(*s)
}

func (p *planner) short(s *stretch, size int) error {
	return shortError{bytes: size, at: p.parts[s.part].start + int64(p.parts[s.part].insts[s.from].Offset)}
}

// shortError says that a window has no five bytes; with more of what comes before, it may.
type shortError struct {
	bytes int
	at    int64
}

func (e shortError) Error() string {
	bytes := "bytes"
	if e.bytes == 1 {
		bytes = "byte"
	}
	return fmt.Sprintf("too short: %d %s at +%#x and no padding behind", e.bytes, bytes, e.at)
}

// check holds what is true of the whole stretch.
func (p *planner) check(s stretch) error {
	one := p.parts[s.part]
	addr := p.f.Addr + uint64(one.start) + one.insts[s.from].Offset
	switch {
	case addr%pageSize > pageSize-JumpLen:
		return errors.New("its five bytes cross a page, so that they cannot be written at once")
	case p.f.Refuse != nil && p.f.Refuse(one.code[one.insts[s.from].Offset:one.insts[s.to-1].End()]) != "":
		return errors.New(p.f.Refuse(one.code[one.insts[s.from].Offset:one.insts[s.to-1].End()]))
	case p.computed && s.to-s.from > 1 && !p.straight(s) && !slices.ContainsFunc(one.insts[s.from:s.to-1], func(in site.Inst) bool { return !takesDown(in) }):
		return nil
	case p.computed && s.to-s.from > 1 && !p.straight(s):
		return errors.New("a jump whose targets cannot be read may lead into the bytes that the jump would take")
	}
	return nil
}

// straight reports whether a stretch lies in what every call runs first: a switch cannot lead there.
func (p *planner) straight(s stretch) bool {
	one := p.parts[s.part]
	return one.start == 0 && !slices.ContainsFunc(one.insts[:s.to-1], func(in site.Inst) bool { return ends(in) || in.Flow == site.CondJump })
}

func (p *planner) target(n, i int) bool {
	one := p.parts[n]
	return p.targets[one.start+int64(one.insts[i].Offset)]
}

// padding gives the number of bytes between an instruction that control does not leave to the next and what is run again: nops and
// traps, up to an aligned address or the target of a branch.
func (p *planner) padding(n, i int) int {
	one := p.parts[n]
	base := p.f.Addr + uint64(one.start)
	size := 0
	for ; i < len(one.insts); i++ {
		in := one.insts[i]
		if p.target(n, i) {
			return size
		}
		if !filler(in) {
			if (base+in.Offset)%block != 0 {
				return 0
			}
			return size
		}
		size += in.Len
	}
	return size + trailing(base+uint64(len(one.code)), one.after)
}

// trailing counts the bytes of padding behind a function, up to where the next may begin.
func trailing(addr uint64, after []byte) int {
	size := 0
	for size < len(after) && size < JumpLen && (addr+uint64(size))%functionAlign != 0 {
		if after[size] == 0 {
			size++
			continue
		}
		insts, _ := site.Decode(after[size:])
		if len(insts) == 0 || !filler(insts[0]) {
			break
		}
		size += insts[0].Len
	}
	return size
}

// add puts a stretch into the list, joined with those that it overlaps.
func (p *planner) add(spans []stretch, s stretch) ([]stretch, error) {
	if len(spans) == 0 {
		return []stretch{s}, nil
	}
	last := spans[len(spans)-1]
	if last.part != s.part || p.end(last) <= p.begin(s) {
		return append(spans, s), nil
	}
	joined := stretch{
		part: s.part, from: min(last.from, s.from), sites: slices.Concat(last.sites, s.sites), at: slices.Concat(last.at, s.at),
		lower: slices.Concat(last.lower, s.lower), aside: last.aside && last.from <= s.from,
	}
	if err := p.fill(&joined); err != nil {
		return spans, fmt.Errorf("too close to another site: %w", err)
	}
	if len(spans) > 1 {
		if before := spans[len(spans)-2]; before.part == joined.part && p.end(before) > p.begin(joined) {
			return spans, fmt.Errorf("too close to another site")
		}
	}
	spans[len(spans)-1] = joined
	return spans, nil
}

func (p *planner) begin(s stretch) uint64 { return p.parts[s.part].insts[s.from].Offset }

func (p *planner) end(s stretch) uint64 {
	return p.parts[s.part].insts[s.to-1].End() + uint64(s.padding)
}

// window writes down what was planned.
func (p *planner) window(s stretch) Window {
	one := p.parts[s.part]
	begin, end := p.begin(s), one.insts[s.to-1].End()
	bytes := make([]byte, max(end-begin, JumpLen)) // it outlives the function's code by far
	copy(bytes[copy(bytes, one.code[begin:]):], one.after)
	w := Window{
		Addr: p.f.Addr + uint64(one.start) + begin, Bytes: bytes[: end-begin : end-begin], Over: bytes[:JumpLen:JumpLen], Sites: s.sites, Lower: s.lower, Aside: s.aside,
		at: make([]int, 0, len(s.at)), insts: make([]site.Inst, 0, s.to-s.from),
	}
	for _, at := range s.at {
		w.at = append(w.at, at-s.from)
	}
	w.insts, _ = site.DecodeTo(w.insts, w.Bytes) // they have been decoded before
	return w
}
