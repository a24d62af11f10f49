package translate

import (
	"encoding/binary"
	"fmt"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Features is what programs may rely on that are translated. Which processes are observed is the engine's business: it compiles plans
// without filter of processes.
func Features(cpus int) codegen.Features {
	return codegen.Features{
		Multi:       true, // get_func_ip is there
		RingBuf:     true,
		Polled:      true,
		TaskStorage: true, // a slot's memory
		CPUv4:       true,
		MayGoto:     true,
		LinkPID:     true,
		CPUs:        cpus,
		Task:        codegen.TaskOffsets{FSBase: shm.SlotFSBase},
		// Sleepable is false although reads here do wait for pages: there is one kind of read only.
	}
}

// Specs describes the maps of a program for shm.Lay.
func Specs(p *codegen.Program) []shm.Spec {
	own := map[string]bool{codegen.StatsMap: true}
	for _, m := range p.Kept {
		own[codegen.MapName(m)] = true
	}
	nest := &shm.Nest{Owner: codegen.FrameOwner, What: codegen.FrameTGID, Place: codegen.FramePosition}
	nested := map[string]*shm.Nest{codegen.DepthMap: nest}
	for _, f := range p.Frames {
		nested[f.Name] = nest
	}
	var specs []shm.Spec
	for _, m := range p.Maps {
		specs = append(specs, shm.Spec{Name: m.Name, Kind: shm.Kind(m.Type), Key: int(m.KeySize), Value: int(m.ValueSize),
			Entries: max(int(m.MaxEntries), 1), Own: own[m.Name], Nest: nested[m.Name]})
	}
	return specs
}

// Fill stores what maps hold from the beginning.
func Fill(p *codegen.Program, l *shm.Layout, mem []byte) error {
	for _, m := range p.Maps {
		if len(m.Contents) == 0 {
			continue
		}
		table, err := l.Table(mem, m.Name)
		if err != nil {
			return err
		}
		for _, kv := range m.Contents {
			key, err := binary.Append(nil, binary.NativeEndian, kv.Key)
			if err != nil {
				return fmt.Errorf("map %s: %w", m.Name, err)
			}
			value, err := binary.Append(nil, binary.NativeEndian, kv.Value)
			if err != nil {
				return fmt.Errorf("map %s: %w", m.Name, err)
			}
			if err := table.Put(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}
