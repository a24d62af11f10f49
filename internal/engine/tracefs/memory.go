package tracefs

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/plan/interp"
)

// fetched is the memory that a record carries. Where a page could not be read the kernel put zeros, so a page of which only zeros came
// has to be asked for.
type fetched struct {
	pid      int
	segments []segment
	pages    *pages
	known    map[uint64]bool // pages of this hit
}

type segment struct {
	addr uint64
	data []byte
}

// memory puts the blocks of a record to the addresses that they were read from. A block behind a pointer that led nowhere is left out:
// the kernel did not write it.
func (e *event) memory(record []byte, h *interp.Hit, p *pages) *fetched {
	m := &fetched{pages: p}
	for i, b := range e.want.blocks {
		addr := h.Regs[b.reg]
		for _, step := range b.steps[:len(b.steps)-1] {
			addr = m.pointer(addr + uint64(step))
		}
		if len(b.steps) > 1 && addr == 0 {
			continue
		}
		addr += uint64(b.last())
		for _, part := range e.shape.blocks[i] {
			data := part.bytes(record)
			m.segments = append(m.segments, segment{addr, data})
			addr += uint64(len(data))
		}
	}
	return m
}

// pointer reads 8 bytes that came along; 0 where none did.
func (m *fetched) pointer(addr uint64) uint64 {
	if b := m.raw(addr, 8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// raw gives n bytes from an address on, or as many as came along.
func (m *fetched) raw(addr uint64, n int) []byte {
	var out []byte
	for len(out) < n {
		var best []byte
		for _, s := range m.segments {
			if at := addr - s.addr; addr >= s.addr && at < uint64(len(s.data)) && len(s.data[at:]) > len(best) {
				best = s.data[at:]
			}
		}
		if len(best) == 0 {
			break
		}
		if out == nil && len(best) >= n {
			return best[:n]
		}
		out = append(out, best...)
		addr += uint64(len(best))
	}
	return out[:min(n, len(out))]
}

// Bytes gives n bytes from an address on, or as many as could be read.
func (m *fetched) Bytes(addr uint64, n int) []byte {
	b := m.raw(addr, n)
	for at := 0; at < len(b); {
		page := (addr + uint64(at)) &^ (pageSize - 1)
		if !m.readable(page) {
			return b[:at]
		}
		at += int(page + pageSize - addr - uint64(at))
	}
	return b
}

const pageSize = 4096

// readable reports whether a page was there at the hit: something of it came that is not zero, or the process has it.
func (m *fetched) readable(page uint64) bool {
	if page == 0 {
		return false
	}
	yes, known := m.known[page]
	if known {
		return yes
	}
	yes = m.shows(page) || m.pages.ask(m.pid, page)
	if m.known == nil {
		m.known = map[uint64]bool{}
	}
	m.known[page] = yes
	return yes
}

// shows reports whether anything of a page is not zero.
func (m *fetched) shows(page uint64) bool {
	for _, s := range m.segments {
		for i, b := range s.data {
			if b != 0 && (s.addr+uint64(i))&^(pageSize-1) == page {
				m.pages.learn(m.pid, page)
				return true
			}
		}
	}
	return false
}

// pages remembers which pages processes have, for those that have ended when their hits are read.
type pages struct{ seen map[pageOf]struct{} }

type pageOf struct {
	pid  int
	page uint64
}

// rememberedPages bounds the memory of pages.
const rememberedPages = 1 << 16

func (p *pages) learn(pid int, page uint64) {
	if p.seen == nil || len(p.seen) >= rememberedPages {
		p.seen = map[pageOf]struct{}{}
	}
	p.seen[pageOf{pid, page}] = struct{}{}
}

// ask looks whether a process can read a page now. What cannot be asked any more counts as unreadable unless it has been seen: never a
// zero that nobody read.
func (p *pages) ask(pid int, page uint64) bool {
	var b [1]byte
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(page), Len: 1}}, 0)
	if n == 1 {
		p.learn(pid, page)
		return true
	}
	if errors.Is(err, unix.EFAULT) {
		return false
	}
	_, seen := p.seen[pageOf{pid, page}]
	return seen
}
