package inject

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/site"
)

// All functions of all libraries of a running program are overwritten at their entries and returns; it computes the same, and each of
// its bytes is its own again afterwards.
func TestWholeLibrariesRunOverwritten(t *testing.T) {
	const python = "/usr/bin/python3"
	fixture.Need(t, python)
	fixture.Libraries(t, true)
	cmd := exec.Command(python, filepath.Join(fixture.Dir(), "engine/everything.py"))
	h := startCommand(t, cmd, python)
	want := h.say("work")
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	objects := mappedObjects(t, p)
	var q Request
	var functions []relocate.Function
	for _, o := range objects {
		q.Near = append(q.Near, o.text)
		functions = append(functions, o.functions...)
	}
	var windows []relocate.Window
	sites, refused := 0, 0
	for i := range functions {
		planned, no := relocate.Plan(&functions[i], everySite(&functions[i]))
		refused += len(no)
		for _, w := range planned {
			sites += len(w.Sites)
		}
		windows = append(windows, planned...)
	}
	slices.SortFunc(windows, func(a, b relocate.Window) int { return int(int64(a.Addr) - int64(b.Addr)) })
	windows = apart(windows)
	q.Text, q.Data, q.Private, q.Sites = uint64(128*sites), 4096, 0, len(windows)
	c := &counter{t: t, p: p}
	if c.region, _, err = p.Map(q); err != nil {
		t.Fatal(err)
	}
	patches := c.emitAll(windows)
	result, err := p.Patch(c.region, patches)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d functions, %d sites, %d without a window, %d places, stopped %d times, for %v at most, %d refused", len(functions), sites, refused, len(patches), result.Stops, result.Stopped, len(result.Refused))
	if len(patches) < 8000 || len(result.Refused) > 20 {
		t.Errorf("%d places, %d refused: %v", len(patches), len(result.Refused), result.Refused[:min(3, len(result.Refused))])
	}
	for range 2 {
		if got := h.say("work"); got != want {
			t.Errorf("overwritten, the program gives %s, alone %s", got, want)
		}
	}
	if c.count(0) < 100000 {
		t.Errorf("%d hits", c.count(0))
	}
	c.detach()
	if got := h.say("work"); got != want {
		t.Errorf("restored, the program gives %s, alone %s", got, want)
	}
	for _, o := range objects {
		now := make([]byte, len(o.code))
		if q, err := Open(h.pid()); err != nil || q.peek(o.text.Start, now) != nil || !bytes.Equal(now, o.code) {
			t.Errorf("%s is not what it was (%v)", o.path, err)
		}
	}
	_ = h.in.Close()
	_, _ = io.ReadAll(h.out)
	if err := h.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// apart drops windows that overlap the one before: symbols may share code.
func apart(windows []relocate.Window) []relocate.Window {
	end := uint64(0)
	return slices.DeleteFunc(windows, func(w relocate.Window) bool {
		if w.Addr < end {
			return true
		}
		end = max(w.End(), w.Addr+jumpLen)
		return false
	})
}

func everySite(f *relocate.Function) []site.Choice {
	var sites []site.Choice
	if entry, err := site.ChooseEntry(f.Code, event.LangC); err == nil || errors.Is(err, site.ErrRefused) {
		sites = append(sites, entry)
	}
	returns, _ := site.ChooseReturns(f.Code, event.LangC, site.FnInfo{Addr: f.Addr, Callee: func(int64) string { return "" }})
	for _, r := range returns {
		if r.Cond == 0 && (len(sites) == 0 || r.Offset != sites[0].Offset) {
			sites = append(sites, r)
		}
	}
	return sites
}

// emitAll writes every window's copy; all sites count in one cell.
func (c *counter) emitAll(windows []relocate.Window) []Patch {
	c.t.Helper()
	used := map[uint64]uint64{}
	var patches []Patch
	for _, w := range windows {
		text, _ := c.region.Text(w.Addr)
		first := text.Addr + used[text.Addr]
		at := first
		var pieces, bodies []uint64
		for n := range w.Pieces() {
			pieces = append(pieces, at)
			code, err := w.Emit(n, at)
			if err != nil {
				c.t.Fatal(err)
			}
			copy(text.Local[at-text.Addr:], code)
			at += uint64(len(code))
			if n < len(w.Sites) {
				bodies = append(bodies, at)
				at += uint64(copy(text.Local[at-text.Addr:], lockIncFar(c.region.Data.Addr)))
			}
		}
		used[text.Addr] = at - text.Addr
		p := Patch{Addr: w.Addr, Function: w.Addr, Bytes: w.Bytes, Jump: first}
		if len(p.Bytes) < jumpLen {
			p.Bytes = w.Over
		}
		for _, m := range w.Moves(pieces, bodies) {
			p.Moves = append(p.Moves, Move{m.From, m.To})
		}
		patches = append(patches, p)
	}
	return patches
}

// lockIncFar is lockInc for a cell anywhere.
func lockIncFar(cell uint64) []byte {
	code := []byte{0x48, 0x8d, 0x64, 0x24, 0x80, 0x50, 0x9c, 0x48, 0xb8} // lea -128(%rsp),%rsp; push %rax; pushf; mov $cell,%rax
	code = binary.LittleEndian.AppendUint64(code, cell)
	code = append(code, 0xf0, 0x48, 0xff, 0x00, 0x9d, 0x58)             // lock incq (%rax); popf; pop %rax
	return append(code, 0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00) // lea 128(%rsp),%rsp
}

// mapped is an object of a running program.
type mapped struct {
	path      string
	text      Span
	code      []byte // of the whole mapping
	functions []relocate.Function
}

// mappedObjects reads the objects that a program maps, without the dynamic linker's own page of the kernel.
func mappedObjects(t *testing.T, p *Process) []mapped {
	t.Helper()
	maps, err := p.mappings()
	if err != nil {
		t.Fatal(err)
	}
	var out []mapped
	for _, m := range maps {
		if !m.Exec() || !m.File() || strings.Contains(m.Path, "ld-linux") {
			continue
		}
		o := mapped{path: m.Path, text: Span{m.Start, m.End}, code: make([]byte, m.End-m.Start)}
		if err := p.peek(m.Start, o.code); err != nil {
			t.Fatal(err)
		}
		file, err := elf.Open(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		bias := uint64(0)
		for _, prog := range file.Progs {
			if prog.Type == elf.PT_LOAD && prog.Flags&elf.PF_X != 0 {
				bias = m.Start - prog.Vaddr&^(pageSize-1)
			}
		}
		symbols, _ := file.DynamicSymbols()
		static, _ := file.Symbols()
		seen := map[uint64]bool{}
		var starts []uint64
		for _, s := range append(symbols, static...) {
			at := s.Value + bias
			if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0 || s.Section == elf.SHN_UNDEF || seen[at] || at < m.Start || at+s.Size > m.End {
				continue
			}
			seen[at] = true
			starts = append(starts, at)
			o.functions = append(o.functions, relocate.Function{Name: s.Name, Addr: at, Code: o.code[at-m.Start : at-m.Start+s.Size], Read: p.readsFor()})
		}
		_ = file.Close()
		slices.Sort(starts)
		for i := range o.functions {
			f := &o.functions[i]
			end := f.Addr + uint64(len(f.Code))
			next, _ := slices.BinarySearch(starts, end)
			gap := min(uint64(16), m.End-end)
			if next < len(starts) {
				gap = min(gap, starts[next]-end)
			}
			f.After = o.code[end-m.Start : end-m.Start+gap]
		}
		out = append(out, o)
	}
	return out
}

// readsFor reads memory of the running program.
func (p *Process) readsFor() func(uint64, []byte) bool {
	return func(addr uint64, buf []byte) bool { return p.peek(addr, buf) == nil }
}
