package inject

import (
	"bufio"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A Go program whose stacks move and whose goroutines are preempted anywhere is counted exactly and computes what it should, through many
// attachments.
func TestGoroutinesAreCountedExactly(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hotgo"), "6")
	for range 25 {
		c := h.attach(h.code["fold"], h.code["step"], h.code["deep"])
		if len(c.refused) > 0 {
			t.Errorf("refused: %v", c.refused)
		}
		time.Sleep(2 * time.Millisecond)
		if c.count(2) == 0 && c.count(0) == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		c.detach()
	}
	h.wayBack("go")
	h.exact(h.code["fold"])
	h.untouched(h.code["deep"])
	h.end()
}

// A goroutine that waits in the middle of a place is seen.
func TestPreemptedGoroutinesAreSeen(t *testing.T) {
	for _, flags := range [][]string{nil, {"-buildmode=pie"}} {
		h := start(t, fixture.Build(t, "engine/hotgo", flags...), "6")
		p, err := Open(h.pid())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		maps, err := p.mappings()
		if err != nil {
			t.Fatal(err)
		}
		if p.golang = p.findGo(maps); len(flags) == 0 && p.golang.goroutines != h.allgs {
			t.Errorf("goroutines at %#x, the symbols say %#x", p.golang.goroutines, h.allgs)
		}
		words := 0
		if _, err := p.stop(func(s *hold) error {
			s.goroutines(func(addr uint64) {
				if p.golang.inGo(addr) {
					words++
				}
			})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if words < 20 {
			t.Errorf("%v: %d words on all stacks together point to code", flags, words)
		}
		h.end()
	}
}

// A Go program without symbols does not tell where its goroutines are: only single instructions of it are overwritten.
func TestStrippedGoProgramIsPatchedWhereNoGoroutineCanBeInside(t *testing.T) {
	for _, flags := range [][]string{{"-ldflags=-s"}, {"-ldflags=-s", "-buildmode=pie"}} {
		path := fixture.Build(t, "engine/hotgo", flags...)
		cmd := exec.Command(path, "2")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		h := &hot{t: t, cmd: cmd, in: in, out: bufio.NewReader(out), code: map[string]function{}}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		words := strings.Fields(h.line())
		fold, _ := strconv.ParseUint(words[3][2:], 16, 64)
		p, err := Open(h.pid())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		code := make([]byte, 16)
		if err := p.peek(fold, code); err != nil {
			t.Fatal(err)
		}
		r, _, err := p.Map(Request{Near: []Span{{fold, fold + 16}}, Text: 4096, Data: 4096, Sites: 1})
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.Patch(r, []Patch{{Addr: fold, Bytes: code, Jump: r.Texts[0].Addr, Moves: []Move{{4, r.Texts[0].Addr}}}})
		if err != nil || len(result.Refused) != 1 || !errors.Is(result.Refused[0].Err, Stripped) {
			t.Errorf("%v: %+v, %v", flags, result.Refused, err)
		}
		if left, _, err := p.Detach(r); left || err != nil {
			t.Errorf("left %v, %v", left, err)
		}
		_ = r.Close()
		h.end()
	}
}
