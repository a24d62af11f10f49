package target

import (
	"context"
	"errors"

	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAWatchTellsWhatAProgramMappedAlthoughItIsGone(t *testing.T) {
	fixture.NeedRoot(t)
	c, err := Start([]string{"sh", "-c", "cat /dev/null; exit 0"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewMapWatch(c.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	libc, cat := map[int]bool{}, false
	forks := map[int]int{}
	w.Read(func(e MapEvent) {
		switch {
		case e.Parent != 0:
			forks[e.PID] = e.Parent
		case strings.Contains(e.Mapping.Path, "libc.so.6"):
			libc[e.PID] = true
			if _, ok := ObjectAt(e.Mapping); !ok {
				t.Errorf("no object at %+v", e.Mapping)
			}
		case strings.HasSuffix(e.Mapping.Path, "/cat"):
			cat = forks[e.PID] == c.PID()
		}
	})
	if !libc[c.PID()] || !cat {
		t.Errorf("libc mapped by %v, cat by a child: %v, forks %v", libc, cat, forks)
	}
}

func TestAWatchWakesWhoWaitsForIt(t *testing.T) {
	fixture.NeedRoot(t)
	w, err := NewMapWatch(-1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	seen := false
	for !seen {
		if err := exec.Command("/bin/true").Run(); err != nil {
			t.Fatal(err)
		}
		if err := w.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Read(func(e MapEvent) {
			if strings.HasSuffix(e.Mapping.Path, "/true") {
				o, ok := e.Object()
				seen = ok && o.Program && e.Age() > 0
			}
		})
		if !seen && !w.Lost() { // as others' mappings may make it
			t.Fatal("it wakes, and tells nothing of the program")
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	for err == nil {
		err = w.Wait(ctx)
		w.Read(func(MapEvent) {})
	}
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// stayOnOneProcessor binds the test to a thread, which ends with it, and that to a processor.
func stayOnOneProcessor(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var allowed, one unix.CPUSet
	err := unix.SchedGetaffinity(0, &allowed)
	for cpu := 0; err == nil && one.Count() == 0; cpu++ {
		if allowed.IsSet(cpu) {
			one.Set(cpu)
			err = unix.SchedSetaffinity(0, &one)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A ring holds some 500 mappings of one processor.
func TestAWatchSaysThatItLostSomething(t *testing.T) {
	fixture.NeedRoot(t)
	stayOnOneProcessor(t) // each has a ring of its own
	w, err := NewMapWatch(-1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 2 { // that something was lost stands behind what comes next
		for range 4000 {
			m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				t.Fatal(err)
			}
			unix.Munmap(m)
		}
		w.Read(func(MapEvent) {})
	}
	if !w.Lost() || w.Lost() {
		t.Error("nothing was lost, or it is said twice")
	}
}
