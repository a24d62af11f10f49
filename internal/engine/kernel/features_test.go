package kernel

import (
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

func TestFeaturesAgreeWithAnotherProber(t *testing.T) {
	fixture.NeedRoot(t)
	began := time.Now()
	f, err := Features(AllNeeds())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v in %v", f, time.Since(began))
	check := func(name string, got bool, other error) {
		if got != (other == nil) {
			t.Errorf("%s: %v, the other prober says %v", name, got, other)
		}
	}
	check("uprobe_multi", f.Multi, features.HaveBPFLinkUprobeMulti())
	check("ring buffer", f.RingBuf, features.HaveMapType(ebpf.RingBuf))
	check("task storage", f.TaskStorage, features.HaveProgramHelper(ebpf.Kprobe, asm.FnTaskStorageGet))
	check("cookies", hasCookies(), features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie))
	if f.CPUv4 { // the other one asks for another instruction, which kernels took before they knew it
		check("cpu v4", true, features.HaveV4ISA())
	}
	var copies *btf.Func
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	check("bpf_copy_from_user_str", f.CopyFromUserStr != 0, spec.TypeByName("bpf_copy_from_user_str", &copies))
	check("uprobe sessions", hasSession(), names(spec, "bpf_attach_type", "BPF_TRACE_UPROBE_SESSION"))
	if f.Task.TGID == 0 || f.Task.Numbers == 0 || f.Task.FSBase == 0 {
		t.Errorf("offsets %+v", f.Task)
	}
	if f.CopyFromUserStr != 0 && !f.Sleepable {
		t.Error("a program that cannot sleep may call what sleeps")
	}
}

// names is nil where the kernel's types name a value of an enumeration.
func names(spec *btf.Spec, enum, value string) error {
	var e *btf.Enum
	if err := spec.TypeByName(enum, &e); err != nil {
		return err
	}
	if !slices.ContainsFunc(e.Values, func(v btf.EnumValue) bool { return v.Name == value }) {
		return errors.New("no " + value)
	}
	return nil
}

func TestACountProbesNoMoreThanItNeeds(t *testing.T) {
	fixture.NeedRoot(t)
	began := time.Now()
	f, err := Features(Needs{})
	t.Logf("in %v", time.Since(began))
	if err != nil || f.Sleepable || f.TaskStorage || f.Task != (codegen.TaskOffsets{}) {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestNeedsComeFromThePlan(t *testing.T) {
	body := func(b plan.Body) plan.Plan { return plan.Plan{Probes: []plan.Probe{{Bodies: []plan.Body{b}}}} }
	for name, c := range map[string]struct {
		plan plan.Plan
		want Needs
	}{
		"count":          {body(plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{}}}), Needs{}},
		"string in pred": {body(plan.Body{Pred: &plan.StrCmp{X: &plan.Str{}, Y: &plan.Text{}}}), Needs{Memory: true, Scratch: true}},
		"frame":          {body(plan.Body{Frame: &plan.Frame{}}), Needs{Scratch: true}},
		"captured string": {plan.Plan{Emissions: []plan.Emission{{Slots: []plan.Slot{{Kind: plan.SlotStr, X: &plan.Reg{}}}}}},
			Needs{Memory: true, Scratch: true}},
		"division":        {body(plan.Body{Pred: &plan.Binary{Op: "/", Signed: true}}), Needs{Division: true}},
		"unsigned":        {body(plan.Body{Pred: &plan.Binary{Op: "/"}}), Needs{}},
		"signed addition": {body(plan.Body{Pred: &plan.Binary{Op: "+", Signed: true}}), Needs{}},
		"loop":            {body(plan.Body{Stmts: []plan.Stmt{&plan.If{Then: []plan.Stmt{&plan.Loop{}}}}}), Needs{Loops: true, Scratch: true}},
		"children":        {plan.Plan{Filter: plan.Filter{PIDs: []int{1}, Children: true}}, Needs{Children: true}},
		"pc":              {body(plan.Body{Pred: &plan.Value{B: plan.PC}}), Needs{}},
		"pc at a return": {plan.Plan{Probes: []plan.Probe{{Sites: []plan.Site{{Choice: site.Choice{Role: site.Trampoline}}}, Bodies: []plan.Body{{Pred: &plan.Value{B: plan.PC}}}}}},
			Needs{Trampolines: true, Returning: true}},
	} {
		if got := NeedsOf(&c.plan); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// without runs fn on a thread that has only the given capabilities. The thread ends with fn.
func without(t *testing.T, keep uint64, fn func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not used again
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		data[0].Effective, data[0].Permitted = uint32(keep), uint32(keep)
		data[1].Effective, data[1].Permitted = uint32(keep>>32), uint32(keep>>32)
		err := unix.Capset(&header, &data[0])
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWithoutCapabilitiesTheDiagnosisNamesThem(t *testing.T) {
	fixture.NeedRoot(t)
	const perfmon, bpf = 1 << unix.CAP_PERFMON, 1 << unix.CAP_BPF
	for name, c := range map[string]struct {
		keep   uint64
		lacks  []string
		denied bool
	}{
		"none":    {0, []string{"CAP_BPF", "CAP_PERFMON"}, true},
		"perfmon": {perfmon, []string{"CAP_BPF"}, true},
		"bpf":     {bpf, []string{"CAP_PERFMON"}, true},
		"both":    {bpf | perfmon, nil, false},
	} {
		var err error
		var p Privileges
		without(t, c.keep, func() { p = ReadPrivileges(); _, err = Features(AllNeeds()) })
		if got := p.Missing(); !reflect.DeepEqual(got, c.lacks) {
			t.Errorf("%s: missing %v, want %v", name, got, c.lacks)
		}
		var d *script.Diagnostic
		if c.denied != errors.As(err, &d) {
			t.Errorf("%s: %v", name, err)
		}
		if !c.denied || d == nil {
			continue
		}
		if d.Code != "not-permitted" || len(d.Hints) == 0 {
			t.Errorf("%s: %+v", name, d)
		}
		for _, capability := range c.lacks {
			if !strings.Contains(d.Message, capability) {
				t.Errorf("%s: %q does not name %s", name, d.Message, capability)
			}
		}
	}
}

func TestTwoCapabilitiesAreEnoughToObserve(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		target := fixture.Start(t, program, "leaf")
		h := observe(multi, 1<<20, program, true, sitesOf(t, program, "leaf")...)
		without(t, 1<<unix.CAP_BPF|1<<unix.CAP_PERFMON, func() {
			s, err := Open(&h.plan, &h.code)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			_, err = s.Arm()
			target.Release()
			var d *script.Diagnostic
			if !multi && errors.As(err, &d) && strings.Contains(d.Message, "it lacks CAP_SYS_ADMIN") {
				return // newer kernels ask for that on this road
			}
			if err != nil {
				t.Error(err)
				return
			}
			s.Disarm()
			if n := len(records(t, s)); n != 2000 {
				t.Errorf("%d records", n)
			}
		})
	})
}

func TestTheDiagnosisNamesSettingsAndSurroundings(t *testing.T) {
	d := Privileges{Known: 40, UnprivilegedBPF: "2", PerfParanoid: "3", UserNamespace: true, Seccomp: true, Lockdown: "confidentiality"}.diagnose("attach uprobes")
	text := d.Message + strings.Join(d.Hints, "\n")
	for _, want := range []string{
		"attach uprobes", "CAP_BPF and CAP_PERFMON", "kernel.unprivileged_bpf_disabled is 2", "kernel.perf_event_paranoid is 3",
		"setcap cap_bpf,cap_perfmon,cap_sys_ptrace=ep", "user namespace", "seccomp", `lockdown is "confidentiality"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
	if old := (Privileges{Known: 37}).Missing(); !reflect.DeepEqual(old, []string{"CAP_SYS_ADMIN"}) {
		t.Errorf("before CAP_BPF: %v", old)
	}
}
