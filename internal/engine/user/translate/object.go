package translate

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Object is programs that others wrote, as the kernel's verifier has taken them, and their maps with what they hold from the beginning.
type Object struct {
	Programs []asm.Instructions
	Names    []string // of the programs
	Maps     map[string]*ebpf.MapSpec
}

// ObjectMap is the name of an object's map beside our own.
func ObjectMap(name string) string { return "object/" + name }

const (
	perfRing  = 256 << 10 // of one CPU: that of libbpf's tools
	linesRing = 1 << 20
	readOnly  = 1 << 7 // BPF_F_RDONLY_PROG
)

// Program makes of the object what the engine runs: each program behind the guard, in their order, and all maps. What cannot run in a process is
// refused by its name.
func (o *Object) Program(guard *codegen.Guard, cpus int) (*codegen.Program, error) {
	p := &codegen.Program{Maps: slices.Clone(guard.Maps)}
	used := map[string]string{} // map -> the first program that uses it
	lines := false
	for i, ins := range o.Programs {
		ins, err := Adopt(ins, o.constant)
		if err != nil {
			return nil, fmt.Errorf("program %s: %w", o.Names[i], err)
		}
		for j := range ins {
			lines = lines || writesLine(&ins[j])
			if name := ins[j].Reference(); ins[j].IsLoadFromMap() && name != "" {
				if used[name] == "" {
					used[name] = o.Names[i]
				}
				ins[j] = ins[j].WithReference(ObjectMap(name))
			}
		}
		p.Progs = append(p.Progs, codegen.Prog{Probe: i, Spec: &ebpf.ProgramSpec{Name: o.Names[i], Instructions: append(slices.Clone(guard.Code), ins...)}})
	}
	for _, name := range sortedNames(o.Maps) {
		m := o.Maps[name].Copy()
		if !offers(m, cpus) {
			if by := used[name]; by != "" {
				return nil, fmt.Errorf("program %s: map %s is of type %v", by, name, m.Type)
			}
			continue
		}
		m.Name = ObjectMap(name)
		p.Maps = append(p.Maps, m)
	}
	if lines {
		p.Maps = append(p.Maps, &ebpf.MapSpec{Name: shm.LinesMap, Type: ebpf.RingBuf, MaxEntries: linesRing})
	}
	return p, nil
}

func sortedNames(maps map[string]*ebpf.MapSpec) []string {
	var names []string
	for name := range maps {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func writesLine(ins *asm.Instruction) bool {
	return ins.IsBuiltinCall() && (ins.Constant == int64(asm.FnTracePrintk) || ins.Constant == int64(asm.FnTraceVprintk))
}

// offers brings a map into the form that it has in a process, if there is one: a perf event array is a ring of the size that all CPUs' have together.
func offers(m *ebpf.MapSpec, cpus int) bool {
	switch m.Type {
	case ebpf.Hash, ebpf.Array, ebpf.PerCPUArray, ebpf.RingBuf:
		return true
	case ebpf.PerfEventArray:
		m.Type, m.KeySize, m.ValueSize, m.MaxEntries = ebpf.RingBuf, 0, 0, perfRing<<bits.Len(uint(max(cpus, 1)-1))
		m.MaxEntries = min(m.MaxEntries, 1<<26)
		return true
	}
	return false
}

// constant gives numbers of the data that programs cannot change.
func (o *Object) constant(name string, at uint64, width int) (uint64, bool) {
	m := o.Maps[name]
	if m == nil || m.Type != ebpf.Array || m.Flags&readOnly == 0 || len(m.Contents) != 1 {
		return 0, false
	}
	data, ok := m.Contents[0].Value.([]byte)
	if !ok || at > uint64(len(data)) || uint64(width) > uint64(len(data))-at {
		return 0, false
	}
	var word [8]byte
	copy(word[:], data[at:][:width])
	return binary.LittleEndian.Uint64(word[:]), true
}
