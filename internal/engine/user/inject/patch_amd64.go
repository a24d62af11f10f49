package inject

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Patch overwrites places with jumps, in one stop or, if they are many, in several. A place that does not hold what it should, or that a thread
// may come back into the middle of, is refused and the rest is done. If a later stop fails, its places and those that were to follow are refused;
// if the first does, nothing is done. Beside the region others may be there that its code uses. A process that has executed another program
// meanwhile is left alone.
func (p *Process) Patch(r *Region, patches []Patch, beside ...*Region) (result Result, err error) {
	maps, err := p.mappings()
	if err != nil {
		return result, err
	}
	p.golang = p.findGo(maps)
	defer func() { p.room = nil }()
	order := make([]int, 0, len(patches))
	for i := range patches {
		if err := p.fits(&patches[i]); err != nil {
			result.refuse(i, err)
			continue
		}
		order = append(order, i)
	}
	all, slice := append([]*Region{r}, beside...), p.slice
	if p.held { // it runs no sooner for that
		slice = math.MaxInt
	}
	for n, some := range sliced(patches, order, slice) {
		if err == nil {
			var one Result
			time.Sleep(result.Stopped) // for as long as it stood still it runs
			one, err = p.patch(all, patches, some)
			result.add(one)
		}
		if err == nil {
			continue
		}
		if n == 0 || errors.Is(err, Replaced) {
			return result, err
		}
		for _, i := range some {
			result.refuse(i, err)
		}
	}
	return result, nil
}

// patch makes some patches, which are in order of address, in one stop. The code is in the first region, and uses the others.
func (p *Process) patch(regions []*Region, patches []Patch, order []int) (Result, error) {
	r := regions[0]
	w := patching{region: r, patches: patches, all: order}
	w.runs = p.runs(len(order), func(n int) Span {
		p := &patches[order[n]]
		return Span{p.Addr, p.Addr + uint64(len(p.Bytes))}
	})
	for _, i := range order {
		w.entries = append(w.entries, patches[i].entry())
	}
	if err := w.write(w.entries); err != nil {
		return Result{}, err
	}
	try := 0
	result, err := p.stop(func(h *hold) error {
		try++
		if !allMapped(h.maps, regions) {
			return diagnosis(Replaced, fmt.Sprintf("process %d has executed another program meanwhile", h.PID))
		}
		w.hold, w.refused, w.order, w.moves = h, nil, w.order[:0], nil
		err := w.choose(try == tries)
		if err == nil {
			err = w.make()
		}
		return err
	})
	if err != nil {
		return result, err
	}
	for _, i := range w.order {
		r.remember(&patches[i])
	}
	r.cuts = append(r.cuts, r.journal.count())
	result.Refused = w.refused
	return result, nil
}

// patching is some patches in one stop.
type patching struct {
	*hold
	region  *Region
	patches []Patch
	all     []int   // those that it is about, by address
	runs    []run   // in which they lie
	entries []entry // for them
	added   int     // how many of those the journal has behind the ones that count
	told    bool    // they count
	order   []int   // those that are to be made, by address
	refused []Refusal
	moves   map[*stoppedThread]uint64
}

// write has the journal hold entries that do not count yet.
func (w *patching) write(entries []entry) (err error) {
	w.added, err = w.region.journal.write(entries)
	return err
}

func (w *patching) refuse(i int, err error) { w.refused = append(w.refused, Refusal{i, err}) }

func (r *Result) refuse(i int, err error) { r.Refused = append(r.Refused, Refusal{i, err}) }

// choose finds out which patches can be made now. Where threads are in the way it asks for another try, unless it is the last.
func (w *patching) choose(last bool) error {
	for n := range w.runs {
		r := &w.runs[n]
		w.load(r)
		for _, i := range w.all[r.from:r.to] {
			if err := w.holds(&w.patches[i], r); err != nil {
				w.refuse(i, err)
				continue
			}
			w.order = append(w.order, i)
		}
	}
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

// fits says of a patch, without looking at the process, why it cannot be made.
func (p *Process) fits(patch *Patch) error {
	if len(patch.Bytes) < jumpLen || patch.Addr%pageSize > pageSize-jumpLen {
		return fmt.Errorf("%s: %d bytes cannot be written at once", place(patch.Addr), len(patch.Bytes))
	}
	if p.golang.inGo(patch.Addr) && p.golang.goroutines == 0 && len(patch.Moves) > 0 {
		return diagnosis(Stripped, "a goroutine may have been interrupted in the bytes that the jump would take, and a Go program without symbols does not tell where its goroutines are",
			"build it without -ldflags=-s", kernelHint)
	}
	_, err := jump(patch.Addr, patch.Jump)
	return err
}

// holds reports, as an error, that memory does not hold what a patch is for.
func (w *patching) holds(p *Patch, r *run) error {
	now, err := w.bytes(r, p.Addr, len(p.Bytes))
	if err != nil {
		return err
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

// entry is what the journal says of a patch.
func (p *Patch) entry() entry {
	after, _ := jump(p.Addr, p.Jump) // fits has seen that there is one
	return entry{addr: p.Addr, bypass: p.Bypass, before: [jumpLen]byte(p.Bytes), after: after}
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
	if len(w.order) == 0 || addr < w.patches[w.order[0]].Addr {
		return 0, 0, false
	}
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
	if end := h.goStackEnd(t); end > 0 {
		size = min(size, end-t.regs.Rsp)
	}
	stack := make([]byte, size)
	n, _ := h.mem.ReadAt(stack, int64(t.regs.Rsp))
	return stack[:n]
}

// make writes the journal, moves threads, and patches, in this order: whenever it ends, nobody is worse off. Where it fails it takes back what
// it has patched.
func (w *patching) make() error {
	entries := w.entries
	if len(w.order) < len(w.all) || w.told {
		entries = nil
		for _, i := range w.order {
			entries = append(entries, w.patches[i].entry())
		}
		if err := w.write(entries); err != nil {
			return err
		}
	}
	w.region.journal.add(w.added)
	w.told = true
	w.step("journal")
	for t, to := range w.moves {
		t.regs.Rip = to
		if err := w.setRegs(t, &t.regs); err != nil {
			return err
		}
	}
	done := 0
	for n := range w.runs {
		r := &w.runs[n]
		for done < len(entries) && r.contains(entries[done].addr) {
			r.changes = append(r.changes, change{entries[done].addr, entries[done].after})
			done++
		}
		if err := w.store(r); err != nil {
			_, undone := w.restore(entries, nil)
			return errors.Join(err, undone)
		}
	}
	return nil
}

// remember notes which addresses in the region stand for which outside.
func (r *Region) remember(p *Patch) {
	for _, m := range p.Moves {
		r.back = append(r.back, origin{m.To, p.Addr, m.From})
	}
	r.back = append(r.back, origin{p.Jump, p.Addr, 0})
	if p.Bypass != 0 {
		r.back = append(r.back, origin{p.Bypass, p.Addr, 0})
	}
}
