package inject

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// RunToStart runs an adopted process, held at its first instruction, to where its libraries are mapped and relocated and none of its
// code, theirs included, has run: the place at which the dynamic linker tells debuggers so. A static program is there already.
func (p *Process) RunToStart() error {
	_, err := p.stop(func(h *hold) error {
		aux, err := h.auxiliary()
		if err != nil || aux[auxBase] == 0 {
			return err
		}
		w := waypoints{hold: h, bytes: map[uint64]byte{}}
		ready, state := h.linker(aux[auxBase])
		for _, at := range []uint64{ready, aux[auxEntry]} {
			if at != 0 {
				if err := w.set(at); err != nil {
					return err
				}
			}
		}
		return w.run(ready, state)
	})
	return err
}

// LoaderHook is the function that the dynamic linker calls when its list of objects changes, for debuggers to see; it does nothing.
func (p *Process) LoaderHook() (addr uint64, ok bool) {
	maps, err := p.mappings()
	if err != nil {
		return 0, false
	}
	h := &hold{Process: p, maps: maps}
	aux, err := h.auxiliary()
	if err != nil || aux[auxBase] == 0 {
		return 0, false
	}
	addr, _ = h.linker(aux[auxBase])
	return addr, addr != 0
}

func (h *hold) auxiliary() (map[uint64]uint64, error) {
	data, err := os.ReadFile(procFile(h.PID, "auxv"))
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", h.PID, err)
	}
	aux := map[uint64]uint64{}
	for ; len(data) >= 16; data = data[16:] {
		aux[binary.LittleEndian.Uint64(data)] = binary.LittleEndian.Uint64(data[8:])
	}
	return aux, nil
}

// linker finds in the dynamic linker the function that it calls when its list of objects changes, and where it keeps the state of that list
// (struct r_debug, r_state at +24); 0 what it has not.
func (h *hold) linker(base uint64) (ready, state uint64) {
	for _, m := range h.maps {
		if m.Start != base || m.Ino == 0 {
			continue
		}
		file, err := elf.Open(procFile(h.PID, "root") + m.Path)
		if err != nil {
			return 0, 0
		}
		defer file.Close()
		dynamic, _ := file.DynamicSymbols()
		static, _ := file.Symbols()
		for _, s := range append(dynamic, static...) {
			switch {
			case s.Section == elf.SHN_UNDEF:
			case s.Name == "_dl_debug_state":
				ready = base + s.Value
			case s.Name == "_r_debug":
				state = base + s.Value + 24
			}
		}
	}
	return ready, state
}

// waypoints are breakpoints that a held process runs to.
type waypoints struct {
	*hold
	bytes map[uint64]byte // what they replace
}

const breakpoint = 0xcc

func (w *waypoints) set(at uint64) error {
	var b [1]byte
	if err := w.read(at, b[:]); err != nil {
		return err
	}
	w.bytes[at] = b[0]
	return w.write(at, []byte{breakpoint})
}

func (w *waypoints) clear() error {
	for at, b := range w.bytes {
		if err := w.write(at, []byte{b}); err != nil {
			return err
		}
	}
	return nil
}

// run goes on until the list of objects is complete, or the program's own code is reached.
func (w *waypoints) run(ready, state uint64) error {
	t := w.stopped[0]
	for {
		if err := w.toBreakpoint(t); err != nil {
			return err
		}
		at := t.regs.Rip - 1
		t.regs.Rip = at
		if err := w.setRegs(t, &t.regs); err != nil {
			return err
		}
		var now [4]byte
		if at != ready || state == 0 || w.read(state, now[:]) == nil && binary.LittleEndian.Uint32(now[:]) == 0 {
			return w.clear()
		}
		if err := w.stepOver(t, at); err != nil {
			return err
		}
	}
}

// toBreakpoint runs the process to one; what signals it gets meanwhile are its own.
func (w *waypoints) toBreakpoint(t *stoppedThread) error {
	for signal := 0; ; {
		if err := unix.PtraceCont(t.tid, signal); err != nil {
			return w.lost(err)
		}
		ws, err := w.wait(t)
		if err != nil {
			return err
		}
		if err := unix.PtraceGetRegs(t.tid, &t.regs); err != nil {
			return w.lost(err)
		}
		if _, ours := w.bytes[t.regs.Rip-1]; ours && ws.StopSignal() == unix.SIGTRAP {
			return nil
		}
		signal = int(ws.StopSignal())
		if eventOf(ws) != 0 {
			signal = 0
		}
	}
}

func (w *waypoints) stepOver(t *stoppedThread, at uint64) error {
	if err := w.write(at, []byte{w.bytes[at]}); err != nil {
		return err
	}
	if err := unix.PtraceSingleStep(t.tid); err != nil {
		return w.lost(err)
	}
	if _, err := w.wait(t); err != nil {
		return err
	}
	return w.write(at, []byte{breakpoint})
}
