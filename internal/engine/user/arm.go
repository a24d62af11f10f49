package user

import (
	"errors"
	"fmt"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/trampoline"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
	"github.com/sonde-project/sonde/internal/plan"
)

// mapRegion makes room in the process for everything that will be written. The data are those of share, if there is one; they and the
// private memory are there already for windows that come later.
func (im *image) mapRegion(share *inject.Region) error {
	text, err := im.textSize()
	if err != nil {
		return err
	}
	slots := trampoline.SlotsFor(im.layout.SlotSize())
	q := inject.Request{Text: text, Sites: len(im.places.windows) + 1, Pads: im.padRoom(), Avoid: im.occupied()}
	if im.hook != nil && len(im.regions) == 0 {
		q.Text += doorRoom
		q.Near = append(q.Near, inject.Span{Start: im.hook.addr, End: im.hook.addr + jumpLen})
	}
	first := len(im.regions) == 0
	if first {
		q.Data, q.Private, q.Share = im.dataSize(), uint64(slots.Size()), share
	}
	for i := range im.places.windows {
		w := &im.places.windows[i]
		q.Near = append(q.Near, inject.Span{Start: w.Addr, End: w.Addr + uint64(len(w.Over))})
	}
	region, result, err := im.process.Map(q)
	im.stood(result)
	if err != nil {
		return err
	}
	im.lock.Lock()
	im.regions = append(im.regions, region)
	im.lock.Unlock()
	if first {
		return im.learn(slots)
	}
	return nil
}

// dataSize is what the maps take, and the counters of gates behind them.
func (s *Session) dataSize() uint64 { return uint64(s.layout.Size + gateSize) }

// textSize bounds the code that one area of text must hold: that of all windows, as they may all lie near each other.
func (im *image) textSize() (uint64, error) {
	size := uint64(2*trampoline.GateRoom*len(im.code.Progs) + shm.KnownSize + codeAlign)
	env, err := farEnv(im.layout, &size)
	if err != nil {
		return 0, err
	}
	for i := range im.code.Progs {
		code, err := translate.Translate(im.code.Progs[i].Spec.Instructions, env)
		if err != nil {
			return 0, err
		}
		size += uint64(len(code)) + codeAlign
	}
	for i := range im.places.windows {
		w := &im.places.windows[i]
		size += uint64(trampoline.Room(max(w.Len(), jumpLen), len(w.spots))) + codeAlign // what is moved may be another sonde's jump
	}
	return size, nil
}

const codeAlign = 64

// build writes the code of a window for an address.
func (im *image) build(w *window, at uint64, t *text) (trampoline.Window, error) {
	sites := make([]trampoline.Site, len(w.spots))
	for i, spot := range w.spots {
		fn := &im.plan.Functions[spot.site.Function]
		sites[i] = trampoline.Site{
			PC: w.pc(&spot), Function: uint64(fn.Addr.PC(w.object.bias)), Cookie: spot.cookie, AtEntry: spot.atEntry, Lower: w.Lower[i],
		}
		sites[i].Program, sites[i].Gate = im.programs[spot.program], t.gates(w.golang)[spot.program]
		sites[i].Count = im.counts(spot.program, spot.cookie)
		if im.deciding {
			sites[i].Pad = t.pad(i)
		}
		if im.always(&spot) {
			sites[i].Gate = 0
		}
	}
	return trampoline.Build(at, &w.Window, sites, im.gates(), w.golang)
}

// counts says how a site counts where that is all that its program does, nil where it does more.
func (im *image) counts(program int, cookie uint64) *trampoline.Count {
	count := im.counting[program]
	if count == nil {
		return nil
	}
	at, ok := count.Offset(cookie)
	if !ok {
		return nil
	}
	return &trampoline.Count{InSlot: int32(count.Map.InSlot), Offset: int32(at), By: count.By}
}

// text is one area of code being filled.
type text struct {
	inject.Area
	used    int
	c, goes []uint64 // the gates, by program

	pads     inject.Area
	padsAt   uint64 // in the file
	padsUsed int
}

// put writes code behind what is there.
func (t *text) put(code []byte) (uint64, error) {
	at := t.next()
	if uint64(t.used+len(code)) > t.Size {
		return 0, fmt.Errorf("the region's code needs more than %d bytes", t.Size)
	}
	copy(t.Local[t.used:], code)
	t.used += (len(code) + codeAlign - 1) &^ (codeAlign - 1)
	return at, nil
}

func (t *text) next() uint64 { return t.Addr + uint64(t.used) }

func (t *text) gates(golang bool) []uint64 {
	if golang {
		return t.goes
	}
	return t.c
}

// patches are those of the windows of the same number.
type patches struct {
	list    []inject.Patch
	of      []*window
	refused []plan.Refusal
	pads    []Pad // behind them
}

// Arm patches every window of the plan in one stop. Sites that are refused are reported; it is an error when nothing could be armed.
func (s *Session) Arm() ([]plan.Refusal, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	var refusals []plan.Refusal
	var errs []error
	for _, im := range s.images {
		more, err := im.arm()
		refusals = append(refusals, more...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 && len(errs) == len(s.images) {
		return refusals, errors.Join(errs...)
	}
	for _, err := range errs { // it may have ended
		s.say(err.Error())
	}
	if s.looks {
		return refusals, s.look()
	}
	return refusals, nil
}

// write puts gates into every area of code, and the programs into the first of the image.
func (im *image) write() (map[uint64]*text, error) {
	texts := map[uint64]*text{}
	region := im.regions[len(im.regions)-1]
	for i, area := range region.Texts {
		t := &text{Area: area, pads: region.Pads[i], padsAt: region.PadsAt[i]}
		for i := range im.code.Progs {
			if err := im.writeGates(t, i); err != nil {
				return nil, err
			}
		}
		texts[area.Addr] = t
	}
	if im.programs != nil {
		return texts, nil
	}
	first := texts[im.region().Texts[0].Addr]
	about := make([]byte, shm.KnownSize)
	if err := im.survey.known(about, im.process.PID); err != nil {
		return nil, err
	}
	at, err := first.put(about)
	if err != nil {
		return nil, err
	}
	env, err := routines(im.layout, shm.Place{Base: first.next(), Data: im.data(), Known: at}, first.put)
	if err != nil {
		return nil, err
	}
	env.Gated = true
	programs := make([]uint64, len(im.code.Progs))
	for i := range im.code.Progs {
		env.Base = first.next()
		code, err := translate.Translate(im.code.Progs[i].Spec.Instructions, env)
		if err != nil {
			return nil, err
		}
		if programs[i], err = first.put(code); err != nil {
			return nil, err
		}
	}
	im.programs = programs
	return texts, nil
}

// writeGates writes the gates of a program for one area of code.
func (im *image) writeGates(t *text, program int) error {
	uses, err := translate.Survey(im.code.Progs[program].Spec.Instructions)
	if err != nil {
		return err
	}
	wants := trampoline.Wants{Words: uses.Words, Thread: uses.Thread, Decides: im.deciding, Ends: im.code.Progs[program].Ends}
	wants.Undecided = im.deciding && im.code.Progs[program].Part == codegen.SitePart // the kernel knows which calls it has seen begin
	for _, golang := range []bool{false, true} {
		c := &x86.Code{}
		trampoline.Gate(c, im.gates(), golang, wants)
		code, err := c.Assemble(t.next())
		if err != nil {
			return err
		}
		at, err := t.put(code)
		if err != nil {
			return err
		}
		if golang {
			t.goes = append(t.goes, at)
		} else {
			t.c = append(t.c, at)
		}
	}
	return nil
}

// patch writes a window's code and says how the process's is to be patched.
func (im *image) patch(w *window, texts map[uint64]*text, places *inject.Inspection) (inject.Patch, error) {
	var none inject.Patch
	area, ok := im.regions[len(im.regions)-1].Text(w.Addr)
	if !ok {
		return none, errors.New("no code can be placed near it")
	}
	t := texts[area.Addr]
	before := w.Bytes
	if len(before) < len(w.Over) {
		before = w.Over
	}
	to, err := places.At(w.Addr, before)
	if err != nil {
		return none, err
	}
	if to != 0 {
		if !w.AtStart() {
			return none, errors.New("another sonde probes an instruction beside it")
		}
		before = append(jumpTo(w.Addr, to), before[relocate.JumpLen:]...)
		w.Window = relocate.Chained(w.Addr, to, before[:relocate.JumpLen], &w.Window)
	}
	code, err := im.build(w, t.next(), t)
	if err != nil {
		return none, err
	}
	at, err := t.put(code.Bytes)
	if err == nil {
		err = im.writePads(w, t, &code)
	}
	if err != nil {
		return none, err
	}
	patch := inject.Patch{Addr: w.Addr, Function: uint64(w.fn.PC(w.object.bias)), Bytes: before, Jump: at, Bypass: code.Bypass}
	for _, m := range w.Moves(code.Pieces, code.Sites) {
		patch.Moves = append(patch.Moves, inject.Move{From: m.From, To: m.To})
	}
	return patch, nil
}

func jumpTo(from, to uint64) []byte {
	code, err := relocate.Jump(from, to)
	if err != nil {
		return nil // it was read from there
	}
	return code[:]
}

// refuse refuses the sites of a window.
func (s *Session) refuse(w *window, err error) []plan.Refusal {
	var list []refused
	for _, spot := range w.spots {
		list = append(list, refused{spot.site, spot.probe, err.Error()})
	}
	return refusals(s.plan, list)
}

// refusals says which functions are not probed, or not fully, and why.
func refusals(p *plan.Plan, list []refused) []plan.Refusal {
	var out []plan.Refusal
	for _, r := range list {
		fn := &p.Functions[r.site.Function]
		out = append(out, plan.Refusal{
			Object: p.Objects[r.site.Object].Path, Function: fn.Name, Site: r.site,
			Why: fmt.Sprintf("its %s at %v cannot be patched: %s", r.site.Role, r.site.Addr, r.why),
		})
	}
	return out
}

// nothingArmed is the error of a run that would observe nothing.
func nothingArmed(refusals []plan.Refusal) error {
	return engine.NothingArmed("no function can be probed from inside the process", refusals)
}
