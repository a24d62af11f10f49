package inject

import "fmt"

// load reads what memory of the process holds where a run lies. Where that cannot be read as a whole, it is read place by place.
func (h *hold) load(r *run) {
	r.changes = r.changes[:0]
	if n, _ := h.mem.ReadAt(r.code, int64(r.Start)); n < len(r.code) {
		r.code = nil
	}
}

// bytes gives some of a run.
func (h *hold) bytes(r *run, addr uint64, n int) ([]byte, error) {
	if r.code != nil {
		return r.code[addr-r.Start:][:n], nil
	}
	code := make([]byte, n)
	return code, h.read(addr, code)
}

// store writes a run's changes, which are in order of address, and with them what lies in between.
func (h *hold) store(r *run) error {
	if len(r.changes) == 0 {
		return nil
	}
	if r.code != nil {
		for _, c := range r.changes {
			copy(r.code[c.addr-r.Start:], c.bytes[:])
		}
		first, end := r.changes[0].addr, r.changes[len(r.changes)-1].addr+jumpLen
		n, err := h.mem.WriteAt(r.code[first-r.Start:end-r.Start], int64(first))
		h.step("write")
		if err == nil && n == int(end-first) {
			return nil
		}
	}
	for _, c := range r.changes {
		if err := h.write(c.addr, c.bytes[:]); err != nil {
			return fmt.Errorf("%s: %w", place(c.addr), err)
		}
	}
	return nil
}
