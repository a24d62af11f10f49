package inject

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/site"
)

// hot is a running fixture that answers.
type hot struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
	code map[string]function
	// allgs is where a Go program keeps its goroutines.
	allgs uint64
}

// function is one of the fixture's.
type function struct {
	name string
	addr uint64
	code []byte
	lang event.Language
}

// start runs a fixture that prints "name address ..." first.
func start(t testing.TB, path string, args ...string) *hot {
	t.Helper()
	return startCommand(t, exec.Command(path, args...), path)
}

func startCommand(t testing.TB, cmd *exec.Cmd, path string) *hot {
	t.Helper()
	h := &hot{t: t, cmd: cmd, code: map[string]function{}}
	h.in, _ = h.cmd.StdinPipe()
	out, _ := h.cmd.StdoutPipe()
	h.cmd.Stderr = &h.errs
	h.out = bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); _ = h.cmd.Wait() })
	h.locate(path, strings.Fields(h.line()))
	return h
}

func (h *hot) pid() int { return h.cmd.Process.Pid }

func (h *hot) line() string {
	h.t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		h.t.Fatalf("the program has ended: %v, %v\n%s", err, h.cmd.Wait(), h.errs.String())
	}
	return strings.TrimSpace(line)
}

func (h *hot) say(word string) string {
	h.t.Helper()
	fmt.Fprintln(h.in, word)
	return h.line()
}

// calls pauses the program and gives its own count.
func (h *hot) calls() uint64 {
	h.t.Helper()
	n, err := strconv.ParseUint(h.say("pause"), 10, 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// run lets a paused program run for a while.
func (h *hot) run() {
	h.t.Helper()
	h.say("go")
	time.Sleep(30 * time.Millisecond)
}

// end lets the program end and expects it to do so well.
func (h *hot) end() {
	h.t.Helper()
	_ = h.in.Close()
	_, _ = io.ReadAll(h.out)
	if err := h.cmd.Wait(); err != nil {
		h.t.Errorf("the program: %v\n%s", err, h.errs.String())
	}
}

// locate reads the code of the functions whose addresses the program has told.
func (h *hot) locate(path string, words []string) {
	h.t.Helper()
	if len(words) < 2 {
		return
	}
	file, err := elf.Open(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "runtime.allgs" {
			h.allgs = s.Value
		}
	}
	for i := 0; i+1 < len(words); i += 2 {
		addr, err := strconv.ParseUint(strings.TrimPrefix(words[i+1], "0x"), 16, 64)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range symbols {
			if s.Name != words[i] && s.Name != "main."+words[i] {
				continue
			}
			code := make([]byte, s.Size)
			section := file.Sections[s.Section]
			if _, err := section.ReadAt(code, int64(s.Value-section.Addr)); err != nil {
				h.t.Fatal(err)
			}
			f := function{words[i], addr, code, event.LangC}
			if h.allgs != 0 {
				f.lang = event.LangGo
			}
			h.code[words[i]] = f
		}
	}
	if len(h.code) != len(words)/2 {
		h.t.Fatalf("symbols of %v not found in %s", words, path)
	}
}

// counter is a region in which each site counts in its own cell.
type counter struct {
	t       testing.TB
	p       *Process
	region  *Region
	patches []Patch
	refused []Refusal
}

// lockInc writes lock incq disp(%rip), flags kept: pushf and popf around it, below the red zone.
func lockInc(at, cell uint64) []byte {
	code := []byte{0x48, 0x8d, 0x64, 0x24, 0x80} // lea -128(%rsp),%rsp
	code = append(code, 0x9c)                    // pushf
	code = append(code, 0xf0, 0x48, 0xff, 0x05)
	code = binary.LittleEndian.AppendUint32(code, uint32(cell-(at+uint64(len(code))+4)))
	code = append(code, 0x9d)                                           // popf
	return append(code, 0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00) // lea 128(%rsp),%rsp
}

// attach counts the entries of functions. Cell n is that of the nth.
func (h *hot) attach(functions ...function) *counter {
	t := h.t
	t.Helper()
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, p: p}
	c.attach(functions)
	return c
}

func (c *counter) attach(functions []function) {
	c.t.Helper()
	q := Request{Text: 64 << 10, Data: 64 << 20, Private: 4096, Sites: len(functions)}
	for _, f := range functions {
		q.Near = append(q.Near, Span{f.addr, f.addr + uint64(len(f.code))})
	}
	var err error
	if c.region, _, err = c.p.Map(q); err != nil {
		c.t.Fatal(err)
	}
	windows := c.plan(functions)
	c.patches = c.emit(windows)
	result, err := c.p.Patch(c.region, c.patches)
	if err != nil {
		c.t.Fatal(err)
	}
	c.refused = result.Refused
}

func (c *counter) plan(functions []function) []relocate.Window {
	c.t.Helper()
	var all []relocate.Window
	for n, f := range functions {
		fn := &relocate.Function{Name: f.name, Addr: f.addr, Code: f.code}
		choice, err := site.ChooseEntry(f.code, f.lang)
		if err != nil {
			c.t.Fatal(err)
		}
		windows, refused := relocate.Plan(fn, []site.Choice{choice})
		if len(refused) > 0 {
			c.t.Fatalf("%s: %v", f.name, refused)
		}
		w := windows[0]
		to, err := c.p.Inspect().At(w.Addr, w.Bytes)
		if err != nil {
			c.t.Fatal(err)
		}
		if to != 0 {
			now := append(jumpBytes(c.t, w.Addr, to), w.Bytes[jumpLen:]...)
			w = relocate.Chained(w.Addr, to, now, &windows[0])
		}
		w.Sites[0] = n
		all = append(all, w)
	}
	return all
}

func jumpBytes(t testing.TB, from, to uint64) []byte {
	code, err := jump(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return code[:]
}

func (c *counter) emit(windows []relocate.Window) []Patch {
	c.t.Helper()
	used := map[uint64]uint64{}
	var patches []Patch
	for _, w := range windows {
		text, ok := c.region.Text(w.Addr)
		if !ok {
			c.t.Fatalf("no text near %#x", w.Addr)
		}
		at := text.Addr + used[text.Addr]
		before, err := w.Emit(0, at)
		if err != nil {
			c.t.Fatal(err)
		}
		body := at + uint64(len(before))
		code := append(before, lockInc(body, c.region.Data.Addr+8*uint64(w.Sites[0]))...)
		after := at + uint64(len(code))
		rest, err := w.Emit(1, after)
		if err != nil {
			c.t.Fatal(err)
		}
		code = append(code, rest...)
		copy(text.Local[at-text.Addr:], code)
		used[text.Addr] += (uint64(len(code)) + 15) &^ 15
		p := Patch{Addr: w.Addr, Function: w.Addr, Bytes: w.Bytes, Jump: at, Bypass: after}
		if len(p.Bytes) < jumpLen {
			p.Bytes = w.Over
		}
		for _, m := range w.Moves([]uint64{at, after}, []uint64{body}) {
			p.Moves = append(p.Moves, Move{m.From, m.To})
		}
		patches = append(patches, p)
	}
	return patches
}

// count reads a cell.
func (c *counter) count(n int) uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&c.region.Data.Local[8*n])))
}

// detach takes everything back.
func (c *counter) detach() {
	c.t.Helper()
	left, _, err := c.p.Detach(c.region)
	if err != nil || left {
		c.t.Fatalf("left %v, %v", left, err)
	}
	c.close()
}

func (c *counter) close() {
	_ = c.region.Close()
	c.p.Close()
}

// The count is the program's own, and its bytes are its own again.
func TestHotFunctionIsCountedExactly(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
	}{{"dynamic", nil}, {"static", []string{"-static"}}, {"not position independent", []string{"-no-pie"}}, {"musl", []string{"CC=musl-gcc", "-O2", "-g"}}, {"static musl", []string{"CC=musl-gcc", "-O2", "-g", "-static"}}} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, fixture.Build(t, "engine/hot.c", c.flags...), "3")
			h.exact(h.code["fold"])
			h.end()
		})
	}
}

// exact attaches while the program runs, and counts between two pauses.
func (h *hot) exact(f function) {
	h.t.Helper()
	c := h.attach(f)
	if len(c.refused) > 0 {
		h.t.Fatalf("refused: %v", c.refused)
	}
	from := h.calls()
	counted := c.count(0)
	h.run()
	to := h.calls()
	if got := c.count(0) - counted; got != to-from || got == 0 {
		h.t.Errorf("%d calls counted, the program made %d", got, to-from)
	}
	h.say("go")
	c.detach()
	h.untouched(f)
}

// untouched expects a function's own bytes, and no mapping of ours.
func (h *hot) untouched(f function) {
	h.t.Helper()
	p, err := Open(h.pid())
	if err != nil {
		h.t.Fatal(err)
	}
	defer p.Close()
	now := make([]byte, len(f.code))
	if err := p.peek(f.addr, now); err != nil {
		h.t.Fatal(err)
	}
	if !bytes.Equal(now, f.code) {
		h.t.Errorf("%s holds % x, its file % x", f.name, now, f.code)
	}
	maps, _ := p.mappings()
	for _, m := range maps {
		if isRegion(m) {
			h.t.Errorf("still mapped: %+v", m)
		}
	}
	if p.leaked() {
		h.t.Error("a file of ours is open in the program")
	}
}
