package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Flags of maps.
const (
	noPrealloc   = 1 << 0 // BPF_F_NO_PREALLOC
	readOnlyProg = 1 << 7 // BPF_F_RDONLY_PROG
)

// followed bounds the processes that a filter with children knows at once.
const followed = 65536

// Sites that are armed elsewhere are so in each program that is observed, of which there may be several at a time: so many with all sites, or so many sites.
const movedPrograms, movedLeast = 8, 1 << 14

// allMaps describes every map that the plan may need.
func (c *compiler) allMaps() []*ebpf.MapSpec {
	list := []*ebpf.MapSpec{
		{Name: StatsMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8 * uint32(plan.Counters), MaxEntries: 1},
		{Name: RingMap, Type: ebpf.RingBuf, MaxEntries: uint32(c.limits.Ring)},
		{Name: RunMap, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		c.pidsMap(),
		{Name: StacksMap, Type: ebpf.Hash, KeySize: 8, ValueSize: uint32(8 * c.stackFrames()), MaxEntries: uint32(c.limits.Keys), Flags: noPrealloc},
		c.scratchMap(),
		{Name: zeroMap, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(c.template()), MaxEntries: 1, Flags: readOnlyProg},
		{Name: DepthMap, Type: ebpf.Hash, KeySize: frameKeySize, ValueSize: 4, MaxEntries: uint32(c.limits.Frames), Flags: noPrealloc},
		{Name: PlacesMap, Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: uint32(max(movedPrograms*c.sites(), movedLeast)), Flags: noPrealloc},
	}
	for i := range c.p.Probes {
		if size, ok := c.frameSize[i]; ok {
			list = append(list, &ebpf.MapSpec{Name: frameMapName(i), Type: ebpf.Hash, KeySize: frameKeySize,
				ValueSize: uint32(size), MaxEntries: uint32(c.limits.Frames), Flags: noPrealloc})
		}
	}
	for m := range c.p.Maps {
		list = append(list, c.planMap(m))
	}
	return list
}

// sites is how many the plan has.
func (c *compiler) sites() (n int) {
	for i := range c.p.Probes {
		n += len(c.p.Probes[i].Sites)
	}
	return n
}

// planMap describes a script map. Tables do not take their memory beforehand: most runs use few of the keys that they may.
func (c *compiler) planMap(m int) *ebpf.MapSpec {
	stripes := c.stripes(m)
	spec := &ebpf.MapSpec{Name: MapName(m), Type: ebpf.Hash, KeySize: uint32(c.p.KeySize(m)), ValueSize: uint32(stripes.Count * stripes.Stride),
		MaxEntries: uint32(c.limits.Keys), Flags: noPrealloc}
	if c.arrays[m] {
		spec.Type, spec.Flags, spec.MaxEntries = ebpf.PerCPUArray, 0, 1
		if len(c.p.Maps[m].Keys) > 0 {
			spec.MaxEntries = uint32(max(len(c.p.Functions), 1))
		}
	}
	return spec
}

// stripes says how many values a cell of a table holds, so that CPUs seldom wait for each other's cache line. The kernel's own table of
// values per CPU is no choice: without memory taken beforehand it loses most of the keys that come in a burst (the allocator of
// per-CPU memory gives a few pages at a time to whoever may not sleep), and with it takes seconds and gigabytes on large machines.
func (c *compiler) stripes(m int) Stripes {
	const line = 64
	desc := &c.p.Maps[m]
	size := desc.ValueSize()
	if c.arrays[m] || desc.Kind == event.AggValue || c.f.CPUs <= 1 {
		return Stripes{1, size}
	}
	most := 4
	if size <= line {
		most = 16
	}
	return Stripes{1 << min(bits.Len(uint(c.f.CPUs-1)), bits.Len(uint(most-1))), (size + line - 1) &^ (line - 1)}
}

// pidsMap holds the observed processes.
func (c *compiler) pidsMap() *ebpf.MapSpec {
	spec := &ebpf.MapSpec{Name: PIDsMap, Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: uint32(max(len(c.p.Filter.PIDs), 1)), Flags: noPrealloc}
	if c.p.Filter.Children {
		spec.MaxEntries += followed
	}
	for _, pid := range c.p.Filter.PIDs {
		spec.Contents = append(spec.Contents, ebpf.MapKV{Key: uint32(pid), Value: uint32(1)})
	}
	return spec
}

// scratchMap is the memory of threads. The kernel wants to know the types of what is stored with a task.
func (c *compiler) scratchMap() *ebpf.MapSpec {
	size := uint32(max((c.scratch+7)&^7, 8))
	if !c.f.TaskStorage {
		return &ebpf.MapSpec{Name: ScratchMap, Type: ebpf.Hash, KeySize: 8, ValueSize: size, MaxEntries: uint32(c.limits.Frames), Flags: noPrealloc}
	}
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	octet := &btf.Int{Name: "unsigned char", Size: 1}
	return &ebpf.MapSpec{Name: ScratchMap, Type: ebpf.TaskStorage, KeySize: 4, ValueSize: size, Flags: noPrealloc,
		Key: number, Value: &btf.Array{Index: number, Type: octet, Nelems: size}}
}

// template is the size of the largest value that is made of zeros.
func (c *compiler) template() int {
	size := 8
	for _, n := range c.frameSize {
		size = max(size, n)
	}
	for m := range c.p.Maps {
		stripes := c.stripes(m)
		size = max(size, stripes.Count*stripes.Stride)
	}
	if !c.f.TaskStorage {
		size = max(size, (c.scratch+7)&^7)
	}
	return size
}
