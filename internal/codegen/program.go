package codegen

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// Program is everything an engine loads: specifications only, nothing is open.
type Program struct {
	// Maps are named by the constants below and by MapName and Frames. Only maps that a program uses are there.
	Maps  []*ebpf.MapSpec
	Progs []Prog
	// Frames are the maps of calls that have begun and not ended.
	Frames []FrameMap
	// HitsFrom lists plan maps whose counts are hits that plan.CountHits leaves out: a dense count() without a
	// predicate is its own hit counter. Their sum is to be added.
	HitsFrom []int
	// Kept lists plan maps that are arrays and whose values nothing sets back during the run.
	Kept []int
	// Stripes says, for plan maps whose cells hold several values side by side, how they lie. The values of a cell are summed up
	// like those of CPUs.
	Stripes map[int]Stripes
}

// Stripes are Count values, Stride bytes apart.
type Stripes struct{ Count, Stride int }

// Split gives the values of a cell.
func (s Stripes) Split(cell []byte) [][]byte {
	values := make([][]byte, s.Count)
	for i := range values {
		values[i] = cell[i*s.Stride:][:s.Stride]
	}
	return values
}

// Prog is one eBPF program.
type Prog struct {
	Spec  *ebpf.ProgramSpec
	Probe int // index into Plan.Probes, -1 for ForkPart and ExitPart
	Part  Part
	// From and To say which bodies of the probe it serves: the sites with From <= Body < To. A probe with
	// many bodies has several programs per part.
	From, To int
	// Ends: its hits end calls, which were counted when they began.
	Ends bool
	// Tracepoint is the raw tracepoint of ForkPart and ExitPart.
	Tracepoint string
}

// Part says where a program of a probe is armed.
type Part uint8

const (
	EntryPart      Part = iota // at entries and other instructions
	TrampolinePart             // at entries with the return flag
	SitePart                   // at ret instructions, before them, and at tail jumps
	RunPart                    // BEGIN, END, interval: BPF_PROG_TEST_RUN
	ForkPart                   // process filter: raw tracepoint, adds children
	ExitPart                   // process filter: raw tracepoint, removes the dead
)

// FrameMap is the map of open calls of one probe.
type FrameMap struct {
	Name  string
	Probe int
	// Record is the offset of the call record inside a value, 0 when values hold none.
	Record int
	depth  int // offset of the depth, when all values have it and the kernel may drop returns; else 0
}

// Names of maps.
const (
	StatsMap   = "stats"   // PERCPU_ARRAY of one value: plan.Counters u64s, indexed by plan.Counter
	RingMap    = "ring"    // RINGBUF of records as plan/layout.go draws them
	RunMap     = "run"     // ARRAY of one value: u64 monotonic start of the run; the engine stores it
	PIDsMap    = "pids"    // HASH u32 thread group -> u32 1, filled from Plan.Filter.PIDs through Contents
	StacksMap  = "stacks"  // HASH u64 stack ID -> u64 PCs, innermost first, 0 after the last
	ScratchMap = "scratch" // memory of one hit: TASK_STORAGE, or HASH by thread
	zeroMap    = "zero"    // ARRAY of one value of zeros: the template of new map values
	DepthMap   = "depth"   // HASH owner, as the key of a frame -> u32 calls open; see frame.go
	PlacesMap  = "places"  // HASH u64 instruction pointer at a hit -> u64 PC of the site; the engine fills it. Features.Moved only
)

// MapName is the name of map m of the plan.
func MapName(m int) string { return fmt.Sprintf("m%d", m) }

func frameMapName(probe int) string { return fmt.Sprintf("frames%d", probe) }

// PartOf says which program of a probe serves a site.
func PartOf(kind plan.ProbeKind, role site.Role) Part {
	if kind != plan.Return {
		return EntryPart
	}
	switch role {
	case site.Trampoline:
		return TrampolinePart
	case site.Ret, site.BeforeRet, site.TailJump, site.DeferReturn:
		return SitePart
	}
	return EntryPart
}

// Unfinished gives the record of a call that has not ended, from a value of the frames map, with its outcome set; false when the
// frame holds none. The bytes are those of the value.
func (f *FrameMap) Unfinished(value []byte) ([]byte, bool) {
	if f.Record == 0 || len(value) < f.Record+plan.CallHeader {
		return nil, false
	}
	length := int(binary.NativeEndian.Uint32(value))
	record := value[f.Record:]
	if length < plan.CallHeader || length > len(record) || int32(binary.NativeEndian.Uint32(record)) == noEmission {
		return nil, false
	}
	binary.NativeEndian.PutUint32(record[plan.RecordOutcome:], uint32(event.Unfinished))
	return record[:length], true
}

// Collection is the program as cilium/ebpf loads it.
func (p *Program) Collection() *ebpf.CollectionSpec {
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}}
	for _, m := range p.Maps {
		spec.Maps[m.Name] = m
	}
	for _, prog := range p.Progs {
		spec.Programs[prog.Spec.Name] = prog.Spec
	}
	return spec
}
