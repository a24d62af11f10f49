package doctor

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// good is a machine where everything is as one would wish.
func good() *Machine {
	return &Machine{
		Arch: "amd64", Release: "6.18.0", Self: "/usr/bin/sonde", Ptrace: true, HasTypes: true, JIT: "1", Yama: "0", FSBase: true,
		Memlock: unix.RLIM_INFINITY, Tracefs: "/sys/kernel/tracing",
		Privileges: kernel.Privileges{Effective: ^uint64(0), Known: 40, UnprivilegedBPF: "2", PerfParanoid: "2", Lockdown: "none"},
		Support: kernel.Support{
			Features: codegen.Features{Multi: true, Sleepable: true, CopyFromUserStr: 7, RingBuf: true, TaskStorage: true, CPUv4: true, MayGoto: true},
			Cookies:  true, PIDFilter: true, PerfEvent: true,
		},
	}
}

// Where /proc is missing or another namespace's, that is the gap, and nothing is said of what it would tell.
func TestWhatProcWouldTellIsNotGuessed(t *testing.T) {
	missing := &script.Diagnostic{Code: "no-proc", Message: "/proc is not mounted", Hints: []string{"mount it"}}
	for engine, spoil := range map[string]func(*Machine){
		"":       func(m *Machine) { m.NoProc, m.OtherProc = missing, missing },
		"kernel": func(m *Machine) { m.OtherProc = missing },
	} {
		m := good()
		m.Privileges, m.JIT, m.Yama, m.Ptrace = kernel.Privileges{Lockdown: "none"}, "", "", false
		spoil(m)
		r := m.Report()
		if c := find(t, r, "/proc"); c.State != Gap || c.Found != missing.Message || c.Mend != "mount it" || r.Gaps() != 1 || r.Engine != engine {
			t.Errorf("%q: %+v", engine, r)
		}
		for _, c := range r.Checks {
			switch c.Name {
			case "capabilities", "kernel.unprivileged_bpf_disabled", "kernel.perf_event_paranoid", "seccomp", "JIT", "ptrace", "inside a process", "uprobe events":
				t.Errorf("%q: %+v", engine, c)
			}
		}
	}
}

func find(t *testing.T, r Report, name string) Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q", name)
	return Check{}
}

func TestAMachineInOrderHasNoGaps(t *testing.T) {
	r := good().Report()
	if r.Gaps() != 0 || r.Engine != "kernel" {
		t.Errorf("%+v", r)
	}
}

func TestEachGapSaysWhatItCostsAndWhatMendsIt(t *testing.T) {
	for name, c := range map[string]struct {
		spoil       func(*Machine)
		check       string
		costs, mend string
	}{
		"other machine":  {func(m *Machine) { m.Arch = "arm64" }, "kernel", "x86-64 programs only", ""},
		"no capability":  {func(m *Machine) { m.Privileges.Effective = 1 << unix.CAP_PERFMON }, "capabilities", "no program", "setcap cap_bpf,cap_sys_ptrace=ep /usr/bin/sonde"},
		"user namespace": {func(m *Machine) { m.Privileges.UserNamespace = true }, "user namespace", "outside it", "outside the user namespace"},
		"refused": {func(m *Machine) {
			m.Loads = &script.Diagnostic{Code: "not-permitted", Message: "no", Hints: []string{"run it as root"}}
			m.Defines = errors.New("nor that")
		}, "eBPF", "kernel engine", "run it as root"},
		"refused, and no way inside": {func(m *Machine) {
			m.Loads, m.Defines, m.Ptrace, m.Yama = &script.Diagnostic{Code: "not-permitted"}, errors.New("nor that"), false, "2"
		}, "inside a process", "cannot run", "root"},
		"sysctl":   {func(m *Machine) { m.Privileges.Effective = 0 }, "kernel.unprivileged_bpf_disabled", "CAP_BPF", "capabilities"},
		"perf":     {func(m *Machine) { m.Privileges.Effective = 0 }, "kernel.perf_event_paranoid", "CAP_PERFMON", "capabilities"},
		"lockdown": {func(m *Machine) { m.Privileges.Lockdown = "confidentiality" }, "lockdown", "no arguments behind pointers", "lockdown=integrity"},
		"seccomp": {func(m *Machine) {
			m.Privileges.Seccomp = true
			m.Loads = &script.Diagnostic{Code: "not-permitted"}
		}, "seccomp", "no program", "docker run"},
		"single links":   {func(m *Machine) { m.Support.Multi = false }, "uprobe_multi", "0.1 s", "6.6"},
		"no perf either": {func(m *Machine) { m.Support.Multi, m.Support.PerfEvent = false, false }, "perf uprobes", "no way", "CONFIG_UPROBE_EVENTS"},
		"thread filter":  {func(m *Machine) { m.Support.PIDFilter = false }, "process filter", "trap too", "6.10"},
		"no sleep":       {func(m *Machine) { m.Support.Sleepable = false }, "sleepable programs", "unreadable", "6.1"},
		"no ring":        {func(m *Machine) { m.Support.RingBuf = false }, "ring buffer", "events do not", "5.8"},
		"no types":       {func(m *Machine) { m.HasTypes = false }, "BTF", "children", "CONFIG_DEBUG_INFO_BTF"},
		"interpreted":    {func(m *Machine) { m.JIT = "0" }, "JIT", "takes longer", "sysctl net.core.bpf_jit_enable=1"},
		"yama":           {func(m *Machine) { m.Ptrace, m.Yama = false, "1" }, "ptrace", "-p", "sysctl kernel.yama.ptrace_scope=0"},
		"no way inside":  {func(m *Machine) { m.Ptrace, m.Yama = false, "2" }, "inside a process", "cannot run", "root"},
		"nobody inside":  {func(m *Machine) { m.Yama = "3" }, "inside a process", "cannot run", "boot"},
		"nobody traces":  {func(m *Machine) { m.Yama = "3" }, "ptrace", "commands", "boot"},
		"memfd_noexec":   {func(m *Machine) { m.NoExec = "2" }, "inside a process", "cannot map", "vm.memfd_noexec=1"},
		"yama 2":         {func(m *Machine) { m.Ptrace, m.Yama = false, "2" }, "ptrace", "a command that sonde starts", "root"},
		"neither": {func(m *Machine) {
			m.Loads, m.Defines = errors.New("no"), &script.Diagnostic{Message: "not permitted", Hints: []string{"as root"}}
		}, "uprobe events", "cannot run either", "as root"},
		"no tracefs": {func(m *Machine) { m.Tracefs = "" }, "tracefs", "not seen", "mount -t tracefs"},
	} {
		m := good()
		c.spoil(m)
		got := find(t, m.Report(), c.check)
		if got.State != Gap || !strings.Contains(got.Costs, c.costs) || !strings.Contains(got.Mend, c.mend) || got.Found == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if used, ok := map[string]string{"refused": "user", "refused, and no way inside": "", "neither": "", "nobody inside": "kernel"}[name]; ok && m.Report().Engine != used {
			t.Errorf("%s: %q would be used", name, m.Report().Engine)
		}
	}
}

func TestWithoutEBPFTracefsIsUsed(t *testing.T) {
	m := good()
	m.Loads = &script.Diagnostic{Code: script.NotPermitted, Message: "no"}
	if r := m.Report(); r.Engine != "tracefs" || find(t, r, "uprobe events").State != OK {
		t.Errorf("%+v", r)
	}
	m.Loads = errors.New("broken")
	if r := m.Report(); r.Engine != "" {
		t.Errorf("used although eBPF is not refused: %s", r.Engine)
	}
}

func TestWhatNeedsNoMendingIsNoGap(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Machine)
		check string
		found string
	}{
		"integrity":    {func(m *Machine) { m.Privileges.Lockdown = "integrity" }, "lockdown", "integrity"},
		"seccomp":      {func(m *Machine) { m.Privileges.Seccomp = true }, "seccomp", "lets bpf(2) through"},
		"kfunc":        {func(m *Machine) { m.Support.CopyFromUserStr = 0 }, "bpf_copy_from_user_str", "in pieces"},
		"task storage": {func(m *Machine) { m.Support.TaskStorage = false }, "task storage", "table by thread"},
		"container":    {func(m *Machine) { m.Support.Namespace.Ino = 5 }, "PID namespace", "not the initial one"},
		"sysctl":       {func(m *Machine) {}, "kernel.perf_event_paranoid", "this process may"},
		"no sysctl":    {func(m *Machine) { m.Privileges.PerfParanoid = "" }, "kernel.perf_event_paranoid", "no such setting"},
		"memlock":      {func(m *Machine) { m.Memlock = 8 << 20 }, "memlock", "8192 KiB"},
		"no events":    {func(m *Machine) { m.Defines = errors.New("no such thing") }, "uprobe events", "no such thing"},
		"others": {func(m *Machine) {
			m.Traced = []string{"p:uprobes/malloc /usr/lib/libc.so.6:0x98870"}
			m.Links = []kernel.UprobeLink{{Program: "x", ID: 3, File: "/bin/a", Sites: 2}, {Program: "x", ID: 3, File: "/bin/a", Sites: 1}}
		}, "other uprobes", "p:uprobes/malloc /usr/lib/libc.so.6:0x98870; 3 sites of program x (3) in /bin/a"},
	} {
		m := good()
		c.spoil(m)
		if got := find(t, m.Report(), c.check); got.State != Info || !strings.Contains(got.Found, c.found) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestThisMachineCanBeExamined(t *testing.T) {
	r := Examine()
	if len(r.Checks) < 10 {
		t.Errorf("%d checks", len(r.Checks))
	}
	seen := map[string]bool{}
	for _, c := range r.Checks {
		if c.Name == "" || c.Found == "" || seen[c.Name] || c.State == Gap && c.Costs == "" {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
	}
	text, err := json.Marshal(r)
	t.Logf("%s %v", text, err)
	if os.Geteuid() == 0 && r.Engine != "kernel" {
		t.Error("root cannot use the kernel engine")
	}
}

func TestProbesOfOthersAreSeen(t *testing.T) {
	fixture.NeedRoot(t)
	m := Look()
	if m.Tracefs == "" {
		t.Skip("left out: tracefs is not mounted")
	}
	file := fixture.Build(t, "engine/many.S")
	define(t, m.Tracefs, "p:sonde_doctor/here "+file+":0x1000")
	t.Cleanup(func() { define(t, m.Tracefs, "-:sonde_doctor/here") })
	if got := find(t, Examine(), "other uprobes"); !strings.Contains(got.Found, "sonde_doctor/here") {
		t.Errorf("%+v", got)
	}
}

// define appends to the uprobes of tracefs.
func define(t *testing.T, mount, line string) {
	t.Helper()
	f, err := os.OpenFile(mount+"/uprobe_events", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// What keeps the engine inside a process from single processes, or may, is said without calling it a gap of the machine.
func TestLimitsOfTheEngineInsideAreNamed(t *testing.T) {
	for found, spoil := range map[string]func(*Machine){
		"of this PID namespace that has no seccomp filter": func(*Machine) {},
		"of this user and PID namespace":                   func(m *Machine) { m.Ptrace = false },
		"without Yama, of this user":                       nil,
		"commands that sonde starts":                       func(m *Machine) { m.Ptrace, m.Yama = false, "1" },
		"SELinux is enforcing":                             func(m *Machine) { m.SELinux = "1" },
		"what a command executes is refused":               func(m *Machine) { m.FSBase = false },
		"may refuse ptrace":                                func(m *Machine) { m.Privileges.Seccomp = true },
		"x86-64 only":                                      func(m *Machine) { m.Arch = "arm64" },
	} {
		if spoil == nil {
			found, spoil = "of this user", func(m *Machine) { m.Ptrace, m.Yama = false, "" }
		}
		m := good()
		spoil(m)
		if got := find(t, m.Report(), "inside a process"); got.State == Gap || !strings.Contains(got.Found, found) {
			t.Errorf("want %q: %+v", found, got)
		}
	}
}
