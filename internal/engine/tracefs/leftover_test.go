package tracefs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// planOf resolves a script in which PROGRAM stands for a program, for one process.
func planOf(t *testing.T, text, program string, pid int) *plan.Plan {
	t.Helper()
	parsed, err := script.Parse(strings.ReplaceAll(text, "PROGRAM", program))
	if err != nil {
		t.Fatal(err)
	}
	p, err := resolve.Resolve(parsed, resolve.Scope{PIDs: []int{pid}, Filter: plan.Filter{PIDs: []int{pid}}, Limits: plan.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// traces lists what tracefs has of the runs of a process: instances and groups of events.
func traces(t *testing.T, pid int) []string {
	t.Helper()
	m, err := mount()
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	prefix := fmt.Sprintf("sonde_%d_", pid)
	var found []string
	list, err := os.ReadDir(m.path("instances"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		if strings.HasPrefix(entry.Name(), prefix) {
			found = append(found, "instance "+entry.Name())
		}
	}
	for _, group := range m.groups() {
		if strings.HasPrefix(group, prefix) {
			found = append(found, "events "+group)
		}
	}
	return found
}

// TestHolder is the other process of the next test: it arms and waits to be killed.
func TestHolder(t *testing.T) {
	program := os.Getenv("SONDE_TEST_HOLD")
	if program == "" {
		return
	}
	s, err := Open(planOf(t, "uprobe:PROGRAM:leaf { @ = count(); }", program, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Arm(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("armed")
	time.Sleep(time.Hour) // not select: a program without any other goroutine would end
}

func hold(t *testing.T, program string) *exec.Cmd {
	t.Helper()
	holder := exec.Command(os.Args[0], "-test.run=^TestHolder$")
	holder.Env = append(os.Environ(), "SONDE_TEST_HOLD="+program)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "armed" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return holder
}

func TestWhatAKilledRunLeftIsRemovedByTheNextAndALivingOnesStays(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/calls.c")
	living := hold(t, program)
	var killed *exec.Cmd
	var left []string
	for tries := 0; len(left) == 0; tries++ { // a start of another test may remove it before it is seen
		if tries == 10 {
			t.Fatal("killed, and already gone")
		}
		killed = hold(t, program)
		if got := traces(t, killed.Process.Pid); len(got) != 2 {
			t.Fatalf("armed: %v", got)
		}
		killed.Process.Kill()
		killed.Wait()
		left = traces(t, killed.Process.Pid)
	}
	s, err := Open(planOf(t, "uprobe:PROGRAM:leaf { @ = count(); }", program, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if got := traces(t, killed.Process.Pid); len(got) != 0 {
		t.Errorf("after the next start: %v", got)
	}
	if got := traces(t, living.Process.Pid); len(got) != 2 {
		t.Errorf("of the living one: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := traces(t, os.Getpid()); len(got) != 0 {
		t.Errorf("after Close: %v", got)
	}
	living.Process.Kill()
	living.Wait()
	Sweep()
	if got := traces(t, living.Process.Pid); len(got) != 0 {
		t.Errorf("after its end: %v", got)
	}
}

func TestTwoRunsOfOneProcessHaveNamesOfTheirOwn(t *testing.T) {
	fixture.NeedRoot(t)
	p := planOf(t, "uprobe:PROGRAM:leaf { @ = count(); }", fixture.Build(t, "engine/calls.c"), os.Getpid())
	var names []string
	for range 2 {
		s, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		names = append(names, s.name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 2 {
		t.Errorf("names %v", names)
	}
}

func TestNamesSayWhoTheOwnerIs(t *testing.T) {
	here := namespace()
	own := fmt.Sprintf("sonde_%d_%s_%d_0", os.Getpid(), startTime(os.Getpid()), here)
	for name, want := range map[string]bool{
		own: false, fmt.Sprintf("sonde_1_7_%d_0", here): true, fmt.Sprintf("sonde_%d_1_%d_0", os.Getpid(), here): true,
		fmt.Sprintf("sonde_4194305_1_%d_0", here): true, fmt.Sprintf("sonde_4194305_1_%d_0", here+1): false,
		"sonde_x_1_1_0": false, "uprobes": false, "sonde_1": false, "other_1_7_1_0": false,
	} {
		if got := orphan(name); got != want {
			t.Errorf("%s: orphan %v", name, got)
		}
	}
}

func TestAMountThatNoFolderLeadsToWorksLikeAnother(t *testing.T) {
	fixture.NeedRoot(t)
	fd, err := detached()
	if err != nil {
		t.Fatal(err)
	}
	m := &mounted{folder(fmt.Sprintf("/proc/self/fd/%d", fd)), fd}
	if err := m.permitted(); err != nil {
		t.Error(err)
	}
	name, err := m.claim()
	if err != nil {
		t.Fatal(err)
	}
	if got := traces(t, os.Getpid()); !slices.Contains(got, "instance "+name) {
		t.Errorf("%s is not among %v", name, got)
	}
	if err := m.removeInstance(name); err != nil {
		t.Error(err)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
}
