package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/script"
)

func putUint64(b []byte, v uint64) { binary.NativeEndian.PutUint64(b, v) }

// load creates the maps and loads the programs, in the order of the specification.
func (s *Session) load() error {
	spec := ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}}
	for _, m := range s.code.Maps {
		spec.Maps[m.Name] = named(m)
	}
	for i, p := range s.code.Progs {
		program := p.Spec.Copy()
		program.Name = inKernelName(program.Name)
		spec.Programs[progKey(i)] = program
	}
	var options ebpf.CollectionOptions
	if _, filtered := spec.Maps[codegen.PIDsMap]; filtered && s.processes != nil {
		options.MapReplacements = map[string]*ebpf.Map{codegen.PIDsMap: s.processes}
	}
	loaded, err := ebpf.NewCollectionWithOptions(&spec, options)
	if err != nil {
		return s.explain(err)
	}
	s.maps = loaded.Maps
	s.progs = make([]*ebpf.Program, len(s.code.Progs))
	for i := range s.progs {
		s.progs[i] = loaded.Programs[progKey(i)]
	}
	return nil
}

func progKey(i int) string { return fmt.Sprintf("p%d", i) }

// named gives the map the name under which bpftool shows it; programs know it by the name in the specification.
func named(m *ebpf.MapSpec) *ebpf.MapSpec {
	m = m.Copy()
	m.Name = inKernelName(m.Name)
	return m
}

// inKernelName marks a name as ours and keeps it within BPF_OBJ_NAME_LEN.
func inKernelName(name string) string {
	name = namePrefix + name
	return name[:min(len(name), unix.BPF_OBJ_NAME_LEN-1)]
}

// explain turns the kernel's refusal of a program into a diagnostic.
func (s *Session) explain(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("loading programs: %w", err)
	}
	if _, missing := os.Stat("/sys/devices/system/cpu/possible"); missing != nil && errors.Is(err, fs.ErrNotExist) {
		return &script.Diagnostic{Code: "no-sysfs", Message: "/sys is not mounted here: it tells how many processors the machine may have", Hints: []string{"mount -t sysfs sysfs /sys"}}
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) && len(verifier.Log) > 0 {
		return refusedProgram(s.subject(err), verifier)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return notPermitted("load eBPF programs and maps")
	}
	return fmt.Errorf("loading programs: %w", err)
}

// subject names the probe whose program an error of cilium/ebpf is about: it wraps "program KEY: ...".
func (s *Session) subject(err error) string {
	for i, p := range s.code.Progs {
		if strings.Contains(err.Error(), "program "+progKey(i)+":") && p.Probe >= 0 {
			return s.plan.Probes[p.Probe].Name
		}
	}
	return "the process filter"
}

// verifierLines is how many lines of the verifier's log a diagnostic shows.
const verifierLines = 6

// refusedProgram says why the verifier refused a program, with the instructions that led there.
func refusedProgram(subject string, v *ebpf.VerifierError) *script.Diagnostic {
	log := slices.DeleteFunc(slices.Clone(v.Log), func(line string) bool {
		return line == "" || bookkeeping(line)
	})
	d := &script.Diagnostic{Code: codeRefused}
	if len(log) == 0 {
		d.Message = fmt.Sprintf("%s: the kernel refuses its program: %v", subject, v.Cause)
		return d
	}
	last := log[len(log)-1]
	d.Message = fmt.Sprintf("%s: the kernel refuses its program: %s", subject, strings.TrimSpace(last))
	if tooLarge(last) {
		d.Hints = append(d.Hints, "do less in one probe: fewer captured fields, a smaller --depth, shorter loops")
		return d
	}
	d.Hints = append(d.Hints, "this is a defect of sonde: please report it with these lines")
	for _, line := range log[max(0, len(log)-verifierLines) : len(log)-1] {
		d.Hints = append(d.Hints, strings.TrimSpace(line))
	}
	return d
}

// bookkeeping tells lines of the verifier that say nothing about a cause: totals, register states, and the way back that
// precision tracking takes.
func bookkeeping(line string) bool {
	for _, prefix := range []string{"processed ", "verification time", "stack depth", "mark_precise:", "func#", "from "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// tooLarge recognises the verifier's limits on what a program may cost.
func tooLarge(line string) bool {
	for _, limit := range []string{"is too large", ". Too large", "is too complex", "is too deep"} {
		if strings.Contains(line, limit) {
			return true
		}
	}
	return false
}
