package kernel

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/fixture"
)

// inKernel counts the programs of a process's tests that the kernel has, and the links to them.
func inKernel(t *testing.T, pid int) (programs, links int) {
	t.Helper()
	ours := map[ebpf.ProgramID]bool{}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			break
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it went away
		}
		if info, err := p.Info(); err == nil && info.Name == fmt.Sprintf("%st%d", namePrefix, pid) {
			ours[id] = true
		}
		p.Close()
	}
	for _, l := range UprobeLinks() {
		if ours[ebpf.ProgramID(l.ID)] {
			links++
			if !l.Ours || l.Sites == 0 || l.File == "" {
				t.Errorf("a link of ours reads %+v", l)
			}
		}
	}
	return len(ours), links
}

// told reports whether the kernel says which links are uprobes. Those of perf events it tells since 6.6, with uprobe_multi.
func told(multi bool) bool { return multi || hasMulti() }

// gone waits until the kernel has nothing of a process's tests: it frees programs a little later.
func gone(t *testing.T, pid int) {
	t.Helper()
	var programs, links int
	for range 3000 {
		if programs, links = inKernel(t, pid); programs+links == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d programs and %d links are left", programs, links)
}

func TestCloseLeavesNothingInTheKernel(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		gone(t, os.Getpid()) // of the tests before
		h := observe(multi, 1<<16, program, true, sitesOf(t, program, "leaf", "add")...)
		s, err := Open(&h.plan, &h.code)
		if err != nil {
			t.Fatal(err)
		}
		arm(t, s)
		if programs, links := inKernel(t, os.Getpid()); programs != 2 || links < 2 && told(multi) {
			t.Errorf("armed: %d programs, %d links", programs, links)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		gone(t, os.Getpid())
	})
}

// TestHolder is the other process of the next test: it arms and waits to be killed.
func TestHolder(t *testing.T) {
	program := os.Getenv("SONDE_TEST_HOLD")
	if program == "" {
		return
	}
	s := open(t, observe(os.Getenv("SONDE_TEST_ROAD") == "multi", 1<<16, program, true, sitesOf(t, program, "leaf")...))
	arm(t, s)
	fmt.Println("armed")
	select {}
}

func TestAKilledSondeLeavesNothingInTheKernel(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		target := fixture.Start(t, program, "leaf")
		holder := exec.Command(os.Args[0], "-test.run=^TestHolder$")
		holder.Env = append(os.Environ(), "SONDE_TEST_HOLD="+program, "SONDE_TEST_ROAD="+map[bool]string{true: "multi"}[multi])
		out, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "armed" {
			t.Errorf("the other process said %q, %v", line, err)
		}
		programs, links := inKernel(t, holder.Process.Pid)
		holder.Process.Kill()
		holder.Wait()
		if programs != 2 || links != 2 && told(multi) {
			t.Errorf("before the kill: %d programs, %d links", programs, links)
		}
		gone(t, holder.Process.Pid)
		target.Release()
	})
}
