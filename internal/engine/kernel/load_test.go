package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

func TestARefusedProgramSaysWhichProbeAndWhy(t *testing.T) {
	fixture.NeedRoot(t)
	good := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	bad := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.LoadMem(asm.R0, asm.R0, 8, asm.DWord), asm.Return()}
	p := &plan.Plan{Probes: []plan.Probe{{Name: "uprobe:libc:malloc"}, {Name: "uprobe:libc:free"}}}
	program := func(probe int, code asm.Instructions) codegen.Prog {
		return codegen.Prog{Probe: probe, Spec: &ebpf.ProgramSpec{Name: "bad", Type: ebpf.Kprobe, License: "GPL", Instructions: code}}
	}
	_, err := Open(p, &codegen.Program{Progs: []codegen.Prog{program(0, good), program(1, bad)}})
	var d *script.Diagnostic
	if !errors.As(err, &d) {
		t.Fatalf("got %v", err)
	}
	if d.Code != codeRefused || !strings.HasPrefix(d.Message, "uprobe:libc:free: ") || !strings.Contains(d.Message, "R0 invalid mem access") {
		t.Errorf("%+v", d)
	}
	if hints := strings.Join(d.Hints, "\n"); !strings.Contains(hints, "r0 = *(u64 *)(r0 +8)") || strings.Contains(hints, "processed") {
		t.Errorf("hints:\n%s", hints)
	}
}

func TestVerifierLogsAreCutToWhatMatters(t *testing.T) {
	log := []string{
		"func#0 @0", "0: R1=ctx() R10=fp0", "0: (b7) r0 = 0                        ; R0_w=0", "", "1: (79) r1 = *(u64 *)(r10 -8)",
		"mark_precise: frame0: last_idx 1 first_idx 0 subseq_idx -1", "invalid read from stack off -8+0 size 8",
		"processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
	}
	for name, c := range map[string]struct {
		log           []string
		message, hint string
		not           string
	}{
		"cause":     {log, "p: the kernel refuses its program: invalid read from stack off -8+0 size 8", "1: (79) r1 = *(u64 *)(r10 -8)", "mark_precise"},
		"too large": {[]string{"BPF program is too large. Processed 1000001 insn", "processed 1000001 insns"}, "p: the kernel refuses its program: BPF program is too large. Processed 1000001 insn", "do less in one probe", "defect"},
		"silent":    {[]string{"processed 2 insns"}, "p: the kernel refuses its program: invalid argument", "", "processed"},
	} {
		d := refusedProgram("p", &ebpf.VerifierError{Cause: unix.EINVAL, Log: c.log})
		hints := strings.Join(d.Hints, "\n")
		if d.Message != c.message || !strings.Contains(hints, c.hint) || strings.Contains(hints, c.not) {
			t.Errorf("%s: %q\n%s", name, d.Message, hints)
		}
	}
}
