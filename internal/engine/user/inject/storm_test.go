package inject

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// Threads that begin and end, exceptions, longjmp, a thousand signals a second and children do not notice attachments.
func TestStormDoesNotNotice(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/storm.cc"))
	counted := uint64(0)
	for range 40 {
		c := h.attach(h.code["step"], h.code["leave"])
		time.Sleep(3 * time.Millisecond)
		counted += c.count(0)
		left, _, err := c.p.Detach(c.region)
		if err != nil || left {
			t.Fatalf("left %v, %v", left, err)
		}
		for _, child := range c.region.Users() {
			if q, err := Open(child); err == nil {
				_, _, _ = q.Detach(c.region)
				q.Close()
			}
		}
		c.close()
	}
	h.untouched(h.code["step"])
	_ = h.in.Close()
	out, _ := io.ReadAll(h.out)
	if err := h.cmd.Wait(); err != nil || string(out) != "ok\n" || counted == 0 {
		t.Errorf("%v, %q, %d calls counted\n%s", err, out, counted, h.errs.String())
	}
}

// A program that ends, or becomes another, in the middle of an attachment is an error and no trouble.
func TestProgramMayEndAtEveryStep(t *testing.T) {
	path := fixture.Build(t, "engine/hot.c")
	for n := 1; ; n += 3 {
		cmd := exec.Command(path, "2")
		h := startCommand(t, cmd, path)
		p, err := Open(h.pid())
		if err != nil {
			t.Fatal(err)
		}
		windows := (&counter{t: t, p: p}).plan([]function{h.code["fold"]})
		steps := 0
		p.step = func(string) {
			if steps++; steps == n {
				_ = cmd.Process.Kill()
			}
		}
		fold := h.code["fold"]
		r, _, err := p.Map(Request{Near: []Span{{fold.addr, fold.addr + 64}}, Text: 4096, Data: 4096, Private: 4096, Sites: 2})
		if err == nil {
			c := &counter{t: t, p: p, region: r}
			_, err = p.Patch(r, c.emit(windows))
			if err == nil {
				_, _, err = p.Detach(r)
			}
			_ = r.Close()
		}
		p.Close()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if steps < n {
			_ = cmd.Process.Kill()
			<-ended
			break
		}
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatalf("step %d: the program was killed and does not end (%v)", n, err)
		}
		if err == nil && steps > n+8 {
			t.Errorf("step %d: no error from a program that was killed", n)
		}
	}
}

// A program that executes others again and again, from any of its threads, is attached to in between and goes on.
func TestProgramMayBecomeAnother(t *testing.T) {
	cmd := exec.Command(fixture.Build(t, "engine/execs.c"), "100")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	attached, failed := 0, map[string]int{}
	for {
		p, err := Open(pid)
		if err != nil {
			failed[err.Error()]++
			if s, statusErr := readStatus(pid, pid); statusErr != nil || s["State"][:1] == "Z" {
				break
			}
			continue
		}
		maps, err := p.mappings()
		if err == nil && len(maps) > 2 {
			var r *Region
			if r, _, err = p.Map(Request{Near: []Span{{maps[1].Start, maps[1].End}}, Text: 4096, Data: 4096, Private: 4096, Sites: 1}); err == nil {
				attached++
				_, _, err = p.Detach(r)
				_ = r.Close()
			}
		}
		if err != nil {
			failed[err.Error()]++
		}
		p.Close()
	}
	if err := cmd.Wait(); err != nil || out.String() != "ok\n" || attached == 0 {
		t.Errorf("%v, %q, attached %d times, %v", err, out.String(), attached, failed)
	}
	t.Logf("attached %d times, %v", attached, failed)
}

// A thread that was inside when a signal came goes back there when the handler is done: until then the region stays, and no longer.
func TestRegionStaysForThoseThatHandlersInterrupted(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/held.c"))
	stays, goes := 0, 0
	for round := 0; round < 40 || (stays == 0 || goes == 0) && round < 1000; round++ { // where the signal comes is chance
		c := h.attach(h.code["fold"])
		time.Sleep(time.Millisecond)
		_ = h.cmd.Process.Signal(syscall.SIGUSR1)
		for s, _ := readStatus(h.pid(), h.pid()); !strings.HasPrefix(s["State"], "S"); s, _ = readStatus(h.pid(), h.pid()) {
			time.Sleep(100 * time.Microsecond) // it never sleeps but in the handler
		}
		left := h.leave(c)
		_ = h.cmd.Process.Signal(syscall.SIGUSR2)
		if !left {
			goes++
			continue
		}
		stays++
		if mended, still, err := Recover(h.pid()); mended != 1 || still != 0 || err != nil {
			t.Fatalf("%d mended, %d left, %v", mended, still, err)
		}
	}
	t.Logf("the region stayed %d times, went %d times", stays, goes)
	h.untouched(h.code["fold"])
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	out, _ := io.ReadAll(h.out)
	if err := h.cmd.Wait(); err != nil || !strings.HasPrefix(string(out), "held ") || stays == 0 || goes == 0 {
		t.Errorf("%v, %q; the region stayed %d times, went %d times", err, out, stays, goes)
	}
}

// leave takes everything back that can be at once.
func (h *hot) leave(c *counter) (left bool) {
	h.t.Helper()
	if _, err := c.p.stop(func(s *hold) error {
		now, err := s.leave(c.p.leaving([]*Region{c.region}))
		left = now != nothing
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	c.close()
	return left
}
