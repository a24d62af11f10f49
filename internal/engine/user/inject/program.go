package inject

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/sonde-project/sonde/internal/target"
)

// Program tells what a process runs from what it executes later, be that the same file at the same addresses: by the auxiliary vector, and by
// the random bytes that the kernel gives each program as it begins (AT_RANDOM, getauxval(3)).
type Program struct {
	auxv   []byte
	random [16]byte
}

// Keys of the auxiliary vector.
const (
	auxHeaders = 3 // the program's headers, their size and their number
	auxSize    = 4
	auxNumber  = 5
	auxBase    = 7  // where the dynamic linker is
	auxEntry   = 9  // where the program's own code begins
	auxRandom  = 25 // where the random bytes are
)

// ProgramOf looks which program a process runs. While it executes one there may be little to see.
func ProgramOf(pid int) (Program, error) {
	auxv, err := os.ReadFile(procFile(pid, "auxv"))
	if err != nil {
		return Program{}, fmt.Errorf("process %d: %w", pid, err)
	}
	p := Program{auxv: auxv}
	if at := p.aux(auxRandom); at != 0 {
		_ = (&Process{PID: pid}).peek(at, p.random[:])
	}
	return p, nil
}

// Same reports whether two looks have seen one program. The first may have come while the kernel was writing the vector.
func (p Program) Same(q Program) bool {
	if p.random == q.random && p.random != [16]byte{} {
		return true
	}
	return p.random == q.random && bytes.Equal(p.auxv, q.auxv)
}

// Still reports whether a process certainly runs the program yet; it is a quick look. The thread is one of its own.
func (p Program) Still(tid int) (bool, error) {
	var random [16]byte
	at := p.aux(auxRandom)
	if at == 0 || p.random == random {
		return false, nil
	}
	if err := (&Process{PID: tid}).peek(at, random[:]); err != nil {
		return false, err
	}
	return random == p.random, nil
}

func (p Program) aux(key uint64) uint64 {
	for b := p.auxv; len(b) >= 16; b = b[16:] {
		if binary.LittleEndian.Uint64(b) == key {
			return binary.LittleEndian.Uint64(b[8:])
		}
	}
	return 0
}

// Begun reports whether the kernel has made it ready to run: then enough is known of it.
func (p Program) Begun() bool { return p.aux(auxRandom) != 0 }

// Loaded reports whether the libraries of a program are mapped that a process has begun: the dynamic linker has told debuggers so. A static
// program has none.
func (p Program) Loaded(pid int) bool {
	switch {
	case !p.Begun():
		return false
	case p.aux(auxBase) == 0:
		return true
	}
	return listed(pid, p.debug(pid))
}

// listed reports whether a dynamic linker says that its list of objects is complete (struct r_debug, r_map at +8, r_state at +24).
func listed(pid int, debug uint64) bool {
	var b [32]byte
	return debug != 0 && (&Process{PID: pid}).peek(debug, b[:]) == nil && binary.LittleEndian.Uint64(b[8:]) != 0 && binary.LittleEndian.Uint32(b[24:]) == 0
}

// debug finds the linker's struct r_debug, as debuggers do: it is the value of DT_DEBUG in the program's dynamic section, once the linker has put it
// there; 0 before.
func (p Program) debug(pid int) uint64 {
	const (
		headerSize, most     = 56, 64 // of Elf64_Phdr
		dynamic, headers     = 2, 6   // PT_DYNAMIC, PT_PHDR
		dynamicSize, mostDyn = 16, 128
		dtDebug              = 21
	)
	le, of := binary.LittleEndian, &Process{PID: pid}
	number := p.aux(auxNumber)
	if p.aux(auxSize) != headerSize || number > most {
		return 0
	}
	table := make([]byte, headerSize*number)
	if number == 0 || of.peek(p.aux(auxHeaders), table) != nil {
		return 0
	}
	var bias, at uint64
	for h := table; len(h) > 0; h = h[headerSize:] {
		switch le.Uint32(h) {
		case headers:
			bias = p.aux(auxHeaders) - le.Uint64(h[16:])
		case dynamic:
			at = le.Uint64(h[16:])
		}
	}
	if at == 0 {
		return 0
	}
	entries := make([]byte, dynamicSize*mostDyn)
	n, err := of.peekSome(at+bias, entries)
	if err != nil {
		return 0
	}
	for e := entries[:n]; len(e) >= dynamicSize && le.Uint64(e) != 0; e = e[dynamicSize:] {
		if le.Uint64(e) == dtDebug {
			return le.Uint64(e[8:])
		}
	}
	return 0
}

// In reports whether a process still maps the region, which it does until it executes another program. The thread is one of its own.
func (r *Region) In(tid int) (bool, error) {
	var head [offInode + 8]byte
	if err := (&Process{PID: tid}).peek(r.spans()[0].Start, head[:]); err != nil {
		return false, err
	}
	return bytes.HasPrefix(head[:], []byte(magic)) && binary.LittleEndian.Uint64(head[offInode:]) == r.inode, nil
}

// allMapped reports whether all of some regions are.
func allMapped(maps []target.Mapping, regions []*Region) bool {
	for _, r := range regions {
		there := false
		for _, m := range maps {
			there = there || r.journalOf(m)
		}
		if !there {
			return false
		}
	}
	return true
}
