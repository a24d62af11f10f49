package inject

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Codes of why a place is left alone.
const (
	Patched script.Code = "patched" // it holds other bytes than its file
)

// Inspection looks at places that are to be patched, while the process runs; in order of address it asks the kernel seldom.
type Inspection struct {
	process *Process
	ahead   ahead
}

// Inspect begins to.
func (p *Process) Inspect() *Inspection { return &Inspection{p, ahead{read: p.peekSome}} }

// At looks at a place. want are the bytes of its file. to is 0 when memory holds them; it is where the place jumps to already when another sonde
// has been there, to be moved like an instruction. Anything else is an error that says what is there.
func (i *Inspection) At(addr uint64, want []byte) (to uint64, err error) {
	now, err := i.ahead.get(addr, len(want))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d at %s: %w", i.process.PID, place(addr), err)
	}
	if bytes.Equal(now, want) {
		return 0, nil
	}
	maps, err := i.process.mappings()
	if err != nil {
		return 0, err
	}
	return judge(maps, addr, now, want, i.process.ownerOf)
}

// peek reads memory of a running process.
func (p *Process) peek(addr uint64, buf []byte) error {
	n, err := p.peekSome(addr, buf)
	if err == nil && n < len(buf) {
		err = unix.EFAULT
	}
	if err != nil {
		return fmt.Errorf("memory of process %d at %s: %w", p.PID, place(addr), err)
	}
	return nil
}

// peekSome reads as much of it as there is.
func (p *Process) peekSome(addr uint64, buf []byte) (int, error) {
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(buf)}}
	return unix.ProcessVMReadv(p.PID, local, remote, 0)
}

// ownerOf reads the journal of another sonde's region.
func (p *Process) ownerOf(m target.Mapping) (pid uint64) {
	head := make(journal, headerSize)
	if p.peek(m.Start, head) != nil || !head.valid() {
		return 0
	}
	return head.owner().pid
}

// judge says what the bytes at a place are that are not those of its file.
func judge(maps []target.Mapping, addr uint64, now, want []byte, owner func(target.Mapping) uint64) (to uint64, err error) {
	if now[0] == 0xe9 && len(now) >= jumpLen {
		to = addr + jumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(now[1:]))))
		if m, ok := regionAt(maps, to); ok && bytes.Equal(now[jumpLen:], want[jumpLen:]) {
			return to, nil
		} else if ok {
			return 0, already(addr, owner(m))
		}
	}
	for i := range now {
		if now[i] == want[i] {
			continue
		}
		switch now[i] {
		case 0xcc:
			return 0, diagnosis(Patched, fmt.Sprintf("%s holds a breakpoint of a debugger or of a kernel probe", place(addr+uint64(i))), kernelHint)
		case 0xe8:
			return 0, diagnosis(Patched, fmt.Sprintf("%s holds a call that is not in its file: a kernel probe, or another tracer", place(addr+uint64(i))), kernelHint)
		case 0xe9:
			if i > 0 && i+jumpLen <= len(now) {
				there := addr + uint64(i) + jumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(now[i+1:]))))
				if m, ok := regionAt(maps, there); ok {
					return 0, already(addr, owner(m))
				}
			}
		}
		return 0, diagnosis(Patched, fmt.Sprintf("%s holds other bytes than its file: the program, or another tracer, has changed its code", place(addr+uint64(i))), kernelHint)
	}
	return 0, nil
}

func already(addr, owner uint64) error {
	return diagnosis(Patched, fmt.Sprintf("%s is already probed by sonde %d, at other bytes of the same place", place(addr), owner), kernelHint)
}

// regionAt finds the journal's mapping of the region that an address lies in.
func regionAt(maps []target.Mapping, addr uint64) (target.Mapping, bool) {
	for _, m := range maps {
		if !isRegion(m) || addr < m.Start || addr >= m.End {
			continue
		}
		for _, head := range maps {
			if isRegion(head) && head.Ino == m.Ino && head.Offset == 0 {
				return head, true
			}
		}
	}
	return target.Mapping{}, false
}

// Overwritten lists the places that sondes have overwritten in a process, as far as they say so; nothing of a process that we may not
// look into.
func Overwritten(of *target.Process) []Span {
	p := Process{PID: of.PID, start: of.StartTime}
	maps, err := of.Maps()
	if err != nil {
		return nil
	}
	var places []Span
	for _, m := range maps {
		if !isRegion(m) || m.Offset != 0 || m.End-m.Start > headerSize+maxEntries*entrySize {
			continue
		}
		head := make(journal, m.End-m.Start)
		if p.peek(m.Start, head) != nil || !head.valid() || (head.state() != live && head.state() != retired) {
			continue
		}
		for _, e := range head.entries() {
			now := make([]byte, jumpLen)
			if head.state() == retired && p.peek(e.addr, now) == nil && bytes.Equal(now, e.before[:]) {
				continue
			}
			places = append(places, Span{e.addr, e.addr + jumpLen})
		}
	}
	return places
}
