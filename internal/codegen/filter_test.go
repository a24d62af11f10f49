package codegen_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

func TestChildrenOfObservedProcessesAreObserved(t *testing.T) {
	f := features(t)
	for _, children := range []bool{true, false} {
		program := fixture.Build(t, "engine/calls.c")
		g := observe(t, program)
		g.Maps = []plan.Map{denseCount()}
		g.Filter.Children = children
		g.probe(plan.Entry, countBody(), g.entry("leaf", 0))
		other := fixture.Start(t, program, "fork")
		s := watch(t, g, f, program, "fork")
		other.Release()
		// Three children and their three children call it once each, the program itself once.
		want := map[bool]int64{true: 7, false: 1}[children]
		if got := values(t, s, 0)[0]; got != want {
			t.Errorf("children %v: %d calls, want %d", children, got, want)
		}
	}
}

func TestFollowingChildrenNeedsToKnowTheKernelsTypes(t *testing.T) {
	p := begin()
	p.Filter.PIDs, p.Filter.Children = []int{1}, true
	if _, err := codegen.Compile(p, codegen.Features{}); err == nil || !strings.Contains(err.Error(), "children") {
		t.Errorf("got %v", err)
	}
}

func TestProcessesAreChosenByNameUserAndCgroup(t *testing.T) {
	f := features(t)
	program := fixture.Build(t, "engine/calls.c")
	name := strings.TrimSpace(exeComm(program))
	other := uint32(12345)
	root := uint32(0)
	for what, c := range map[string]struct {
		filter plan.Filter
		want   int64
	}{
		"name":         {plan.Filter{Comm: name}, 1000},
		"other name":   {plan.Filter{Comm: "nobody"}, 0},
		"user":         {plan.Filter{UID: &root}, 1000},
		"other user":   {plan.Filter{UID: &other}, 0},
		"cgroup":       {plan.Filter{Cgroup: cgroup(t)}, 1000},
		"other cgroup": {plan.Filter{Cgroup: cgroup(t) + 1}, 0},
	} {
		g := observe(t, program)
		g.Maps, g.Filter = []plan.Map{denseCount()}, c.filter
		g.probe(plan.Entry, countBody(), g.entry("leaf", 0))
		s := watch(t, g, f, program, "leaf")
		if got := values(t, s, 0)[0]; got != c.want {
			t.Errorf("%s: %d calls, want %d", what, got, c.want)
		}
	}
}

func exeComm(path string) string {
	name := path[strings.LastIndex(path, "/")+1:]
	return name[:min(len(name), 15)]
}

// cgroup is the ID of the control group of this process: the inode of its folder.
func cgroup(t *testing.T) uint64 {
	t.Helper()
	for _, line := range strings.Split(read(t, "/proc/self/cgroup"), "\n") {
		path, ok := strings.CutPrefix(line, "0::")
		if !ok {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			var st unix.Stat_t
			if unix.Stat(root+path, &st) == nil {
				return st.Ino
			}
		}
	}
	return 1
}

// Run again in a PID namespace of its own, where processes have other numbers.
const inside = "SONDE_TEST_IN_NAMESPACE"

func TestProcessesHaveTheNumbersOfOurNamespace(t *testing.T) {
	fixture.NeedRoot(t)
	if os.Getenv(inside) != "" {
		inNamespace(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "seen as") {
		t.Errorf("%v\n%s", err, out)
	}
}

func inNamespace(t *testing.T) {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	f := features(t)
	if f.Namespace.Ino == 0 || f.Namespace.Level == 0 {
		t.Fatalf("namespace %+v", f.Namespace)
	}
	program := fixture.Build(t, "engine/calls.c")
	g := observe(t, program)
	g.Maps = []plan.Map{denseCount()}
	g.Filter.Children = true
	g.Emissions = []plan.Emission{{Kind: plan.EmitPrintf}}
	body := countBody()
	body.Stmts = append(body.Stmts, &plan.Emit{})
	g.probe(plan.Entry, body, g.entry("leaf", 0))
	o := fixture.Start(t, program, "fork")
	g.Filter.PIDs = []int{o.PID}
	s := load(t, g.Plan, f)
	arm(t, s)
	o.Release()
	s.Disarm()
	if got := values(t, s, 0)[0]; got != 7 {
		t.Errorf("%d calls of 7", got)
	}
	seen := map[string]bool{}
	for _, r := range records(t, s) {
		pid := u64(r, plan.RecordPID) >> 32
		if pid > 100 {
			t.Errorf("process %d has its number in another namespace", pid)
		}
		seen[strconv.Itoa(int(pid))] = true
	}
	if !seen[strconv.Itoa(o.PID)] || len(seen) != 7 {
		t.Errorf("seen %v of %d", seen, o.PID)
	}
	t.Logf("seen as %v", seen)
}
