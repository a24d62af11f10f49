package user

import (
	"errors"
	"fmt"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/trampoline"
	"github.com/sonde-project/sonde/internal/plan"
)

// A plan whose statements are plan.Trap alone does nothing but decide: the hits that its predicates let pass go through a pad, an instruction
// without effect in a file that both sides map, on which the kernel's probes can be put.

// Pad is where the hits of a site go through that are handed on. Registers, flags and stack are there what they are at the site.
type Pad struct {
	Probe, Site int    // indices into the plan's probes and their sites
	Offset      uint64 // in the file
	IP          uint64 // address in the process
	PC          uint64 // of the site that it stands for
}

// decides reports whether a plan hands hits on.
func decides(p *plan.Plan) bool {
	found := false
	p.Walk(func(node any) {
		_, trap := node.(*plan.Trap)
		found = found || trap
	})
	return found
}

// always reports whether every hit of a site is handed on: nothing has to run for that.
func (s *Session) always(spot *spot) bool {
	body := &s.plan.Probes[spot.probe].Bodies[spot.site.Body]
	return s.deciding && body.Pred == nil && body.Frame == nil
}

// Pads are those of one region.
type Pads struct {
	File string // in which they lie, as a path in this process
	List []Pad
}

// HandOn says what puts the kernel's probes on pads, which is done before the first hit is sent to them: for each program that is observed and each library
// that comes later. It gives what takes them off again, once nobody runs that any more, and the sites that are left out.
func (s *Session) HandOn(take func(Pads) (drop func(), refused []plan.Refusal, err error)) {
	s.take = take
}

// handOn has the probes put on the pads of the last region.
func (im *image) handOn(list []Pad) ([]plan.Refusal, error) {
	if len(list) == 0 {
		return nil, nil
	}
	region := im.regions[len(im.regions)-1]
	drop, refused, err := im.take(Pads{fmt.Sprintf("/proc/self/fd/%d", region.File.Fd()), list})
	if err == nil {
		im.drops = append(im.drops, drop)
	}
	if region != im.Session.data { // nobody else asks for it, and there may be many
		err = errors.Join(err, region.File.Close())
		region.File = nil
	}
	return refused, err
}

// occupied is where the regions of other programs lie, if pads do: what a pad stands for is told by its address, whatever process comes to it.
func (im *image) occupied() (all []inject.Span) {
	if !im.deciding {
		return nil
	}
	im.lock.Lock()
	defer im.lock.Unlock()
	for _, other := range im.images {
		for _, r := range other.regions {
			for _, pads := range r.Pads {
				all = append(all, inject.Span{Start: pads.Addr, End: pads.Addr + pads.Size})
			}
		}
	}
	return all
}

// padRoom is how much memory the pads of all windows take.
func (im *image) padRoom() uint64 {
	if !im.deciding {
		return 0
	}
	n := 0
	for i := range im.places.windows {
		n += len(im.places.windows[i].spots)
	}
	return uint64(n * trampoline.PadSize)
}

// pad is where a site's pad will be.
func (t *text) pad(n int) uint64 {
	return t.pads.Addr + uint64(t.padsUsed+n*trampoline.PadSize)
}

// writePads writes the pads of a window whose code is written.
func (im *image) writePads(w *window, t *text, code *trampoline.Window) error {
	if !im.deciding {
		return nil
	}
	for n, spot := range w.spots {
		at := t.pad(n)
		pad, err := trampoline.Pad(at, code.Behind[n])
		if err != nil {
			return err
		}
		copy(t.pads.Local[at-t.pads.Addr:], pad)
		im.ready.pads = append(im.ready.pads, Pad{Probe: spot.probe, Site: spot.index, Offset: t.padsAt + at - t.pads.Addr, IP: at, PC: w.pc(&spot)})
	}
	t.padsUsed += len(w.spots) * trampoline.PadSize
	return nil
}
