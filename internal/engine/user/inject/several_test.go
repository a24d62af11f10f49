package inject

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// Two sondes count the same function, each all of its calls, whichever leaves first; the last restores every byte.
func TestTwoSondesCountTheSameFunction(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}, {0, 1, 2}, {1, 2, 0}, {2, 0, 1}} {
		h := start(t, fixture.Build(t, "engine/hot.c"), "3")
		fold := h.code["fold"]
		var all []*counter
		for range order {
			all = append(all, h.attach(fold))
		}
		gone := map[int]bool{}
		for _, n := range order {
			h.agree(all, gone)
			if _, _, err := all[n].p.Detach(all[n].region); err != nil {
				t.Fatalf("order %v, %d: %v: %v", order, n, err, h.cmd.Wait())
			}
			gone[n] = true
			h.agree(all, gone)
		}
		h.untouched(fold)
		h.exact(fold)
		for _, c := range all {
			c.close()
		}
		h.end()
		if t.Failed() {
			t.Fatalf("order %v", order)
		}
	}
}

// A child of ours that has executed nothing yet maps what we map, and is not taken for a process that runs with the region.
func TestAChildOfOursIsNoneOfTheProgram(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hot.c"), "1")
	c := h.attach(h.code["fold"])
	child, _, failed := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if failed == 0 && child == 0 {
		for { // it has this thread alone
			unix.RawSyscall(unix.SYS_PAUSE, 0, 0, 0)
		}
	}
	if failed != 0 {
		t.Fatal(failed)
	}
	users := c.region.Users()
	_ = unix.Kill(int(child), unix.SIGKILL)
	if _, err := unix.Wait4(int(child), nil, 0, nil); err != nil {
		t.Error(err)
	}
	if !slices.Equal(users, []int{h.pid()}) {
		t.Errorf("users %v, want %d alone, and not %d", users, h.pid(), child)
	}
	c.detach()
	h.say("go")
	h.end()
}

// agree expects those that are there to count what the program counts, and those that have gone nothing.
func (h *hot) agree(all []*counter, gone map[int]bool) {
	h.t.Helper()
	from := h.calls()
	before := make([]uint64, len(all))
	for n, c := range all {
		before[n] = c.count(0)
	}
	h.run()
	to := h.calls()
	for n, c := range all {
		want := to - from
		if gone[n] {
			want = 0
		}
		if got := c.count(0) - before[n]; got != want {
			h.t.Errorf("sonde %d (gone: %v): %d calls counted, the program made %d", n, gone[n], got, to-from)
		}
	}
	h.say("go")
}

// The tracer's way back through the program's own code is there in every kind of program: a tracer that dies in a system call of its own
// making leaves the thread to find back alone.
func TestEveryKindOfProgramHasTheWayBack(t *testing.T) {
	for name, flags := range map[string][]string{"dynamic": nil, "static": {"-static"}, "musl": {"CC=musl-gcc", "-O2", "-g"}} {
		h := start(t, fixture.Build(t, "engine/hot.c", flags...), "1")
		h.wayBack(name)
		h.end()
	}
}

func (h *hot) wayBack(name string) {
	h.t.Helper()
	p, err := Open(h.pid())
	if err != nil {
		h.t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.stop(func(s *hold) error {
		if err := s.prepare(); err != nil {
			return err
		}
		if !s.gate.safe {
			h.t.Errorf("%s: no way back", name)
		}
		return s.write(s.gate.scratch, s.gate.saved)
	}); err != nil {
		h.t.Fatal(err)
	}
}
