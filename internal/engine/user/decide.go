package user

import (
	"errors"
	"fmt"

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

// PadFile is the path, in this process, of the file in which the pads lie.
func (s *Session) PadFile() (string, error) {
	if s.data == nil || s.data.File == nil {
		return "", errors.New("no pads were asked for")
	}
	return fmt.Sprintf("/proc/self/fd/%d", s.data.File.Fd()), nil
}

// Pads are those of the sites that Prepare could place.
func (s *Session) Pads() []Pad { return s.pads }

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
func (s *Session) writePads(w *window, t *text, code *trampoline.Window) error {
	if !s.deciding {
		return nil
	}
	for n, spot := range w.spots {
		at := t.pad(n)
		pad, err := trampoline.Pad(at, code.Behind[n])
		if err != nil {
			return err
		}
		copy(t.pads.Local[at-t.pads.Addr:], pad)
		s.pads = append(s.pads, Pad{Probe: spot.probe, Site: spot.index, Offset: t.padsAt + at - t.pads.Addr, IP: at, PC: w.pc(&spot)})
	}
	t.padsUsed += len(w.spots) * trampoline.PadSize
	return nil
}
