package kernel

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
)

// Verify loads the programs of an object, which the kernel's verifier then has taken, and gives them back; nothing is armed and nothing stays. It
// gives the programs' instructions in the order of armed, with the offsets of this kernel's types, and with names of maps where the kernel
// has addresses.
func Verify(p *plan.Plan, o *object.Object, armed []object.Armed, verifier io.Writer) ([]asm.Instructions, error) {
	unfiltered := *p
	unfiltered.Filter = plan.Filter{} // whoever runs them looks after that
	s, err := OpenObject(&unfiltered, o, armed, verifier)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	var out []asm.Instructions
	for _, a := range armed {
		code := slices.Clone(o.Spec.Programs[a.Name].Instructions)
		if err := relocate(code); err != nil {
			return nil, fmt.Errorf("program %s: %w", a.Name, err)
		}
		out = append(out, code)
	}
	return out, nil
}

// relocate fills in what instructions leave to the types of the kernel that they run on.
func relocate(code asm.Instructions) error {
	var relocations []*btf.CORERelocation
	var of []*asm.Instruction
	for i := range code {
		if r := btf.CORERelocationMetadata(&code[i]); r != nil {
			relocations, of = append(relocations, r), append(of, &code[i])
		}
	}
	if len(relocations) == 0 {
		return nil
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return err
	}
	ids, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return err
	}
	fixups, err := btf.CORERelocate(relocations, []*btf.Spec{types}, binary.LittleEndian, ids.Add)
	if err != nil {
		return err
	}
	for i := range fixups {
		if err := fixups[i].Apply(of[i]); err != nil {
			return err
		}
	}
	return nil
}
