package inject

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sonde-project/sonde/internal/target"
)

// The journal is the start of the region. Whoever finds it can take everything back. All numbers are little-endian.
//
//	header, one page
//	  +0   magic     "sonde" 0 0 1: the last byte is the version
//	  +8   state     u32: live, retired
//	  +12  count     u32: entries that are written
//	  +16  owner     u64 process ID, u64 start time, u64 number of its PID namespace
//	  +40  spans     u32 number, u32 0, then {u64 address, u64 size}: the mappings
//	  +1072 inode    u64: of the region's file, which tells it from others
//	entries, 32 bytes each
//	  +0   address   u64: what was overwritten
//	  +8   bypass    u64: where the moved instructions run alone
//	  +16  before    5 bytes
//	  +21  after     5 bytes
const (
	magic      = "sonde\x00\x00\x01"
	headerSize = 4096
	entrySize  = 32
	jumpLen    = 5

	offState, offCount, offOwner, offSpans = 8, 12, 16, 40
	maxSpans                               = 64
	offInode                               = offSpans + 8 + 16*maxSpans
	maxEntries                             = 1 << 20
)

// state of a region.
const (
	live    uint32 = iota + 1
	retired        // its sonde has gone; what remains is jumped over
)

// identity names a process for good.
type identity struct{ pid, start, namespace uint64 }

// whoWeAre is this process's.
func whoWeAre() identity {
	id := identity{pid: uint64(os.Getpid()), namespace: pidNamespace("self")}
	if p, err := target.Open(os.Getpid()); err == nil {
		id.start = p.StartTime
	}
	return id
}

func pidNamespace(pid string) uint64 {
	info, err := os.Stat(filepath.Join("/proc", pid, "ns", "pid"))
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// gone reports whether the process has certainly ended. Of another PID namespace nothing is certain.
func (id identity) gone() bool {
	if id.namespace != pidNamespace("self") {
		return false
	}
	p := target.Process{PID: int(id.pid), StartTime: id.start}
	return !p.Alive()
}

// entry is one place that was overwritten.
type entry struct {
	addr, bypass  uint64
	before, after [jumpLen]byte
}

func (e entry) put(to []byte) {
	binary.LittleEndian.PutUint64(to, e.addr)
	binary.LittleEndian.PutUint64(to[8:], e.bypass)
	copy(to[16:], e.before[:])
	copy(to[21:], e.after[:])
}

func readEntry(b []byte) entry {
	return entry{
		addr: binary.LittleEndian.Uint64(b), bypass: binary.LittleEndian.Uint64(b[8:]),
		before: [jumpLen]byte(b[16:]), after: [jumpLen]byte(b[21:]),
	}
}

// journal is the written form, as we or the process map it.
type journal []byte

func journalSize(sites int) uint64 { return pages(headerSize + uint64(sites)*entrySize) }

func (j journal) begin(owner identity, inode uint64, spans []Span) {
	le := binary.LittleEndian
	for i, v := range []uint64{owner.pid, owner.start, owner.namespace} {
		le.PutUint64(j[offOwner+8*i:], v)
	}
	j.setState(live)
	le.PutUint32(j[offSpans:], uint32(len(spans)))
	for i, s := range spans {
		le.PutUint64(j[offSpans+8+16*i:], s.Start)
		le.PutUint64(j[offSpans+16+16*i:], s.End-s.Start)
	}
	le.PutUint64(j[offInode:], inode)
	copy(j, magic) // last: what has it is complete
}

func (j journal) state() uint32     { return binary.LittleEndian.Uint32(j[offState:]) }
func (j journal) setState(s uint32) { binary.LittleEndian.PutUint32(j[offState:], s) }
func (j journal) count() int        { return int(binary.LittleEndian.Uint32(j[offCount:])) }
func (j journal) capacity() int     { return (len(j) - headerSize) / entrySize }

func (j journal) owner() identity {
	le := binary.LittleEndian
	return identity{le.Uint64(j[offOwner:]), le.Uint64(j[offOwner+8:]), le.Uint64(j[offOwner+16:])}
}

func (j journal) spans() []Span {
	n := min(binary.LittleEndian.Uint32(j[offSpans:]), maxSpans)
	out := make([]Span, n)
	for i := range out {
		at := binary.LittleEndian.Uint64(j[offSpans+8+16*i:])
		out[i] = Span{at, at + binary.LittleEndian.Uint64(j[offSpans+16+16*i:])}
	}
	return out
}

// write puts entries that it does not know behind those that count, where nobody looks. add makes them count.
func (j journal) write(entries []entry) (added int, err error) {
	n, known := j.count(), j.known(entries)
	for _, e := range entries {
		if known[e] {
			continue
		}
		if n+added == j.capacity() {
			return 0, errors.New("the region's journal is full")
		}
		e.put(j[headerSize+(n+added)*entrySize:])
		added++
	}
	return added, nil
}

func (j journal) add(n int) { binary.LittleEndian.PutUint32(j[offCount:], uint32(j.count()+n)) }

// known gives those of some entries, which are in order of address, that count already: a library may be patched again.
func (j journal) known(entries []entry) map[entry]bool {
	var known map[entry]bool
	if len(entries) == 0 {
		return nil
	}
	first, last := entries[0].addr, entries[len(entries)-1].addr
	for i := range min(j.count(), j.capacity()) {
		e := readEntry(j[headerSize+i*entrySize:])
		if e.addr < first || e.addr > last {
			continue
		}
		if _, found := slices.BinarySearchFunc(entries, e, byAddress); found {
			if known == nil {
				known = map[entry]bool{}
			}
			known[e] = true
		}
	}
	return known
}

func (j journal) entries() []entry {
	out := make([]entry, min(j.count(), j.capacity()))
	for i := range out {
		out[i] = readEntry(j[headerSize+i*entrySize:])
	}
	return out
}

// valid reports whether bytes of a process are a journal.
func (j journal) valid() bool {
	return len(j) >= headerSize && strings.HasPrefix(string(j[:len(magic)]), magic)
}

// isRegion recognises mappings of a sonde's memory, ours or another's.
func isRegion(m target.Mapping) bool { return m.Path == "/memfd:"+regionName }

func pages(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

const pageSize = 4096

// regionName is what the region is called in /proc/PID/maps: memfd:sonde.
const regionName = "sonde"

// procFile is a path below /proc of a process.
func procFile(pid int, name ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(pid)}, name...)...)
}
