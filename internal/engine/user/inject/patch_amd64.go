package inject

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Patch overwrites places with jumps, all in one stop. A place that does not hold what it should, or that a thread may come back
// into the middle of, is refused and the rest is done. Beside the region others may be there that its code uses. A process that has executed
// another program meanwhile is left alone.
func (p *Process) Patch(r *Region, patches []Patch, beside ...*Region) (Result, error) {
	var refused []Refusal
	try := 0
	maps, err := p.mappings()
	if err != nil {
		return Result{}, err
	}
	p.golang = p.findGo(maps)
	result, err := p.stop(func(h *hold) error {
		try++
		if !allMapped(h.maps, append([]*Region{r}, beside...)) {
			return diagnosis(Replaced, fmt.Sprintf("process %d has executed another program meanwhile", h.PID))
		}
		w := patching{hold: h, region: r, patches: patches}
		err := w.choose(try == tries)
		if err == nil {
			err = w.make()
		}
		refused = w.refused
		return err
	})
	result.Refused = refused
	return result, err
}

// patching is one try.
type patching struct {
	*hold
	region  *Region
	patches []Patch
	order   []int // those that are to be made, by address
	refused []Refusal
	moves   map[*stoppedThread]uint64
}

func (w *patching) refuse(i int, err error) { w.refused = append(w.refused, Refusal{i, err}) }

// choose finds out which patches can be made now. Where threads are in the way it asks for another try, unless it is the last.
func (w *patching) choose(last bool) error {
	w.order = make([]int, len(w.patches))
	for i := range w.order {
		w.order[i] = i
	}
	slices.SortFunc(w.order, func(a, b int) int { return cmp.Compare(w.patches[a].Addr, w.patches[b].Addr) })
	code := w.ahead()
	w.order = slices.DeleteFunc(w.order, func(i int) bool {
		err := w.fits(w.patches[i], code)
		if err != nil {
			w.refuse(i, err)
		}
		return err != nil
	})
	if w.alone != 0 {
		return nil // it is code that has not run
	}
	busy := w.inTheWay()
	if len(busy) == 0 {
		return nil
	}
	if !last {
		return &errRetry{diagnosis(Busy, fmt.Sprintf("process %d: threads are suspended inside %d of the places to patch", w.PID, len(busy)))}
	}
	w.order = slices.DeleteFunc(w.order, func(i int) bool { return busy[i] })
	for i := range busy {
		w.refuse(i, diagnosis(Busy, "a thread that was interrupted there may come back into the bytes that the jump would take"))
	}
	return nil
}

// fits holds a patch against the process's memory.
func (w *patching) fits(p Patch, code *ahead) error {
	if len(p.Bytes) < jumpLen || p.Addr%pageSize > pageSize-jumpLen {
		return fmt.Errorf("%s: %d bytes cannot be written at once", place(p.Addr), len(p.Bytes))
	}
	if w.golang.inGo(p.Addr) && w.golang.goroutines == 0 && len(p.Moves) > 0 {
		return diagnosis(Stripped, "a goroutine may have been interrupted in the bytes that the jump would take, and a Go program without symbols does not tell where its goroutines are",
			"build it without -ldflags=-s", kernelHint)
	}
	if _, err := jump(p.Addr, p.Jump); err != nil {
		return err
	}
	now, err := code.get(p.Addr, len(p.Bytes))
	if err != nil {
		return fmt.Errorf("memory of process %d at %s: %w", w.PID, place(p.Addr), err)
	}
	if !bytes.Equal(now, p.Bytes) {
		_, err := judge(w.maps, p.Addr, now, p.Bytes, w.ownerOf)
		if err == nil {
			err = diagnosis(Busy, fmt.Sprintf("%s: another sonde came there meanwhile", place(p.Addr)))
		}
		return err
	}
	return nil
}

// jump is jmp rel32.
func jump(from, to uint64) (code [jumpLen]byte, err error) {
	d := int64(to - from - jumpLen)
	if d < math.MinInt32 || d > math.MaxInt32 {
		return code, fmt.Errorf("%s: %s is out of a jump's reach", place(from), place(to))
	}
	code[0] = 0xe9
	binary.LittleEndian.PutUint32(code[1:], uint32(int32(d)))
	return code, nil
}

// jumpTarget reads such a jump.
func jumpTarget(at uint64, code []byte) (uint64, bool) {
	if code[0] != 0xe9 {
		return 0, false
	}
	return at + jumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(code[1:])))), true
}

// inTheWay looks where threads stand and will come back to. Those inside a place go on elsewhere (moves); where that cannot be, the
// patch is busy.
func (w *patching) inTheWay() map[int]bool {
	busy := map[int]bool{}
	w.moves = map[*stoppedThread]uint64{}
	comesBack := func(addr uint64) {
		if i, from, ok := w.inside(addr); ok {
			if _, boundary := w.moved(i, from); boundary {
				busy[i] = true
			}
		}
	}
	for _, t := range w.stopped {
		if i, from, ok := w.inside(t.regs.Rip); ok {
			to, known := w.moved(i, from)
			if !known || w.inSequence(t) {
				busy[i] = true
			} else {
				w.moves[t] = to
			}
		}
		w.suspended(t, comesBack)
	}
	w.goroutines(comesBack)
	return busy
}

// inside finds the patch that an address lies in the middle of.
func (w *patching) inside(addr uint64) (i int, from uint64, ok bool) {
	n, found := slices.BinarySearchFunc(w.order, addr, func(i int, addr uint64) int { return cmp.Compare(w.patches[i].Addr, addr) })
	if found || n == 0 {
		return 0, 0, false
	}
	i = w.order[n-1]
	from = addr - w.patches[i].Addr
	return i, from, from < uint64(len(w.patches[i].Bytes))
}

func (w *patching) moved(i int, from uint64) (uint64, bool) {
	for _, m := range w.patches[i].Moves {
		if m.From == from {
			return m.To, true
		}
	}
	return 0, false
}

// stackDepth is how much of each stack is searched for what an interrupted thread comes back to.
const stackDepth = 64 << 10

// suspended gives every word on a thread's stack.
func (h *hold) suspended(t *stoppedThread, see func(addr uint64)) {
	stack := h.stackOf(t)
	for ; len(stack) >= 8; stack = stack[8:] {
		see(binary.LittleEndian.Uint64(stack))
	}
}

// interrupted gives where a thread goes on that is in signal handlers: the instruction pointers that the kernel has saved on its stack. A word
// there is one if the code segment of 64-bit code follows the flags behind it; the two old segment words are 0 (setup_sigcontext,
// arch/x86/kernel/signal_64.c).
func (h *hold) interrupted(t *stoppedThread, see func(addr uint64)) {
	const segments = ucCS - ucRIP
	for stack := h.stackOf(t); len(stack) >= segments+8; stack = stack[8:] {
		if binary.LittleEndian.Uint64(stack[segments:])&(1<<48-1) == userCS {
			see(binary.LittleEndian.Uint64(stack))
		}
	}
}

// stackOf reads the used part of the stack that a thread is on.
func (h *hold) stackOf(t *stoppedThread) []byte {
	size := uint64(stackDepth)
	for _, m := range h.maps {
		if t.regs.Rsp >= m.Start && t.regs.Rsp < m.End {
			size = min(size, m.End-t.regs.Rsp)
		}
	}
	stack := make([]byte, size)
	n, _ := h.mem.ReadAt(stack, int64(t.regs.Rsp))
	return stack[:n]
}

// make writes the journal, moves threads, and patches, in this order: whenever it ends, nobody is worse off.
func (w *patching) make() error {
	entries := make([]entry, len(w.order))
	for n, i := range w.order {
		p := w.patches[i]
		after, err := jump(p.Addr, p.Jump)
		if err != nil {
			return err
		}
		entries[n] = entry{addr: p.Addr, bypass: p.Bypass, before: [jumpLen]byte(p.Bytes), after: after}
	}
	if err := w.region.journal.add(entries); err != nil {
		return err
	}
	w.step("journal")
	for _, i := range w.order {
		w.region.remember(w.patches[i])
	}
	for t, to := range w.moves {
		t.regs.Rip = to
		if err := w.setRegs(t, &t.regs); err != nil {
			return err
		}
	}
	return w.writeAll(entries, func(e entry) []byte { return e.after[:] })
}

// writeAll writes places in order of address, one write for all that lie on a page.
func (h *hold) writeAll(entries []entry, with func(entry) []byte) error {
	for n := 0; n < len(entries); {
		page := entries[n].addr / pageSize
		end := n
		for end < len(entries) && entries[end].addr/pageSize == page {
			end++
		}
		first := entries[n].addr
		code := make([]byte, entries[end-1].addr+jumpLen-first)
		if err := h.read(first, code); err != nil {
			return err
		}
		for _, e := range entries[n:end] {
			copy(code[e.addr-first:], with(e))
		}
		if err := h.write(first, code); err != nil {
			return err
		}
		n = end
	}
	return nil
}

// remember notes which addresses in the region stand for which outside.
func (r *Region) remember(p Patch) {
	for _, m := range p.Moves {
		r.back = append(r.back, origin{m.To, p.Addr, m.From})
	}
	r.back = append(r.back, origin{p.Jump, p.Addr, 0})
	if p.Bypass != 0 {
		r.back = append(r.back, origin{p.Bypass, p.Addr, 0})
	}
}
