package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/prototype"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// placement is where one function is armed, decided once for all probes that name it.
type placement struct {
	way     plan.ReturnWay
	why     string
	entry   []plan.Site
	returns []plan.Site
	err     error  // no entry
	refused string // returns cannot be seen, and why
}

// function puts a match into the plan and gives the sites that the probe needs there.
func (r *resolver) function(m match, pt *script.Point, kind plan.ProbeKind) (*function, []plan.Site, error) {
	if m.note != nil {
		return r.static(m)
	}
	key := match{obj: m.obj, fn: m.fn}
	place := r.placementOf(key, kind)
	fn := &function{r: r, match: key, obj: m.obj, lang: m.fn.Lang, place: place}
	id, known := r.ids[key]
	if !known {
		id = len(r.plan.Functions)
		r.ids[key] = id
		r.plan.Functions = append(r.plan.Functions, plan.Function{
			Object: r.planned(m.obj), Name: m.name(), Linkage: m.fn.Name, Addr: m.fn.Addr, Size: m.fn.Size,
			Lang: m.fn.Lang, ReturnWay: place.way, ReturnWhy: place.why,
		})
	}
	fn.id = id
	sites, err := r.sites(m, pt, kind, place)
	for i := range sites {
		sites[i].Function, sites[i].Object = id, r.planned(m.obj)
	}
	return fn, sites, err
}

// errnoAt says where a C library's function leaves errno; nil when it does not, or when it has several entries.
func (r *resolver) errnoAt(fn *function) *capture.ErrnoAt {
	if sig := fn.types(); sig == nil || sig.Fails == "" || len(fn.place.entry) != 1 {
		return nil
	}
	errno, ok := r.errnos[fn.obj]
	if !ok {
		if found, is := fn.obj.file.Errno(); is {
			errno = &found
		}
		r.errnos[fn.obj] = errno
	}
	if errno == nil {
		return nil
	}
	return &capture.ErrnoAt{Place: *errno, Entry: fn.place.entry[0].Addr}
}

// sites lists where a probe of this kind is armed in the function.
func (r *resolver) sites(m match, pt *script.Point, kind plan.ProbeKind, place placement) ([]plan.Site, error) {
	if m.within {
		if kind == plan.Return {
			return nil, r.diag(pt.Span, "not-a-function", "a uretprobe is about a whole function, not about an instruction in it", "use uprobe")
		}
		return r.instruction(m)
	}
	if place.err != nil {
		return nil, place.err
	}
	if kind == plan.Entry {
		return append([]plan.Site(nil), place.entry...), nil
	}
	if place.refused != "" && len(place.returns) == 0 {
		return nil, errors.New(place.refused)
	}
	return append(append([]plan.Site(nil), place.entry...), place.returns...), nil
}

// instruction is the site of FUNCTION+offset, an address or a line.
func (r *resolver) instruction(m match) ([]plan.Site, error) {
	code, err := m.obj.file.Code(m.fn)
	if err != nil {
		return nil, err
	}
	c, err := site.At(code, m.offset)
	if err != nil && !(r.scope.Unsafe && errors.Is(err, site.ErrRefused)) {
		return nil, err
	}
	s, err := armed(m.obj, m.fn, c)
	return []plan.Site{s}, err
}

// armed makes a plan's site of a choice.
func armed(obj *object, fn *symbol.Function, c site.Choice) (plan.Site, error) {
	addr := fn.Addr + symbol.Addr(c.Offset)
	if slices.ContainsFunc(obj.file.Restartables(), func(s symbol.Restartable) bool { return s.Covers(addr) }) {
		return plan.Site{}, fmt.Errorf("%s at +%#x lies in a restartable sequence (rseq), which must not be left", c.Instruction, c.Offset)
	}
	off, err := obj.file.Offset(addr)
	return plan.Site{Addr: addr, Offset: off, Callee: -1, Choice: c}, err
}

// signature is what is known of a function's types: the user's declarations, ours for known libraries, debug information.
func (r *resolver) signature(m match) *ctype.Signature {
	if sig, ok := r.sigs[m]; ok {
		return sig
	}
	sig := r.findSignature(m)
	r.sigs[m] = sig
	return sig
}

func (r *resolver) findSignature(m match) *ctype.Signature {
	names := append([]string{m.fn.Name}, m.fn.Aliases...)
	for _, name := range names {
		if r.scope.Prototypes != nil {
			if sig, ok := r.scope.Prototypes.Lookup(name); ok {
				return sig
			}
		}
		if sig, ok := prototype.Lookup(soname(m.obj), name); ok {
			return sig
		}
	}
	sig, err := m.obj.file.Signature(m.fn)
	if err != nil {
		return nil // a broken type is a function without types, not a broken run
	}
	if sig == nil {
		return demangled(m)
	}
	dropUnusedResult(m, sig)
	return sig
}

// dropUnusedResult marks a result that the compiler left out, because it saw every caller and none looked at it. Debug information
// does not say so; the code does.
func dropUnusedResult(m match, sig *ctype.Signature) {
	if sig == nil || len(sig.Results) != 1 || !m.fn.Local || sig.Lang == event.LangGo {
		return
	}
	pieces := ctype.Place(sig).Results[0]
	if len(pieces) == 0 || pieces[0].Kind != ctype.InRegister || pieces[0].Reg != ctype.RAX {
		return
	}
	if code, err := m.obj.file.Code(m.fn); err == nil && !site.GivesResult(code) {
		sig.Results[0].Where = []ctype.Piece{{Kind: ctype.Nowhere, Size: sig.Results[0].Type.Sizeof()}}
	}
}

// coldParts are the blocks that the compiler moved away from a function: foo.cold beside foo.
func coldParts(obj *object, fn *symbol.Function) []site.Part {
	var out []site.Part
	for _, name := range append([]string{fn.Name}, fn.Aliases...) {
		for _, c := range obj.coldParts()[name] {
			if code, err := obj.file.Code(c); err == nil {
				out = append(out, site.Part{Start: int64(c.Addr) - int64(fn.Addr), Code: code})
			}
		}
	}
	return out
}

// coldParts are all parts that were moved away, by the name of the function that they belong to.
func (obj *object) coldParts() map[string][]*symbol.Function {
	if obj.cold != nil {
		return obj.cold
	}
	obj.cold = map[string][]*symbol.Function{}
	all := obj.file.Functions()
	for i := range all {
		for _, name := range append([]string{all[i].Name}, all[i].Aliases...) {
			if of, _, ok := strings.Cut(name, ".cold"); ok {
				obj.cold[of] = append(obj.cold[of], &all[i])
			}
		}
	}
	return obj.cold
}

// placementOf decides once how a function is armed. Its returns are looked for only where they matter.
func (r *resolver) placementOf(m match, kind plan.ProbeKind) placement {
	key := placing{m, kind == plan.Return}
	if p, ok := r.places[key]; ok {
		return p
	}
	p := r.decide(m, key.returns)
	r.places[key] = p
	return p
}

// placing is a question to placementOf.
type placing struct {
	match
	returns bool
}

func (r *resolver) decide(m match, returns bool) placement {
	var p placement
	bodies := []*symbol.Function{m.fn}
	if m.fn.IFunc {
		bodies = m.obj.file.Implementations(m.fn)
		if len(bodies) == 0 {
			p.err = errors.New("an IFUNC whose implementations could not be found: its address is a resolver that runs once")
			return p
		}
	}
	if returns {
		p.way, p.why = r.returnWay(m)
	}
	for _, fn := range bodies {
		r.arm(m.obj, fn, &p)
	}
	if len(p.entry) > 0 {
		p.err = nil
	}
	return p
}

// arm adds the entry and return sites of one body.
func (r *resolver) arm(obj *object, fn *symbol.Function, p *placement) {
	code, err := obj.file.Code(fn)
	if err != nil {
		p.err = err
		return
	}
	c, err := site.ChooseEntry(code, fn.Lang)
	if err != nil {
		p.err = err
		return
	}
	entry, err := armed(obj, fn, c)
	if err != nil {
		p.err = err
		return
	}
	p.entry = append(p.entry, entry)
	switch p.way {
	case plan.Trampoline:
		entry.Role, entry.Why = site.Trampoline, p.why
		p.returns = append(p.returns, entry)
	case plan.Sites:
		r.armReturns(obj, fn, code, p)
	default:
		p.refused = p.why
	}
	if r.scope.Unsafe && r.scope.Return != ReturnSites && p.refused != "" {
		entry.Role, entry.Why = site.Trampoline, "asked for with --unsafe: "+p.refused
		p.returns = append(p.returns, entry)
	}
}
