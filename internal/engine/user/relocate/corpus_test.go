package relocate

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/site"
)

// object is a real library or program.
type object struct {
	functions []Function
	segments  []segment
	lang      event.Language
}

type segment struct {
	addr uint64
	data []byte
}

func (o *object) read(addr uint64, buf []byte) bool {
	for _, s := range o.segments {
		if addr >= s.addr && addr-s.addr+uint64(len(buf)) <= uint64(len(s.data)) {
			copy(buf, s.data[addr-s.addr:])
			return true
		}
	}
	return false
}

// openObject reads the functions that an object's symbols name, each once, with what lies between it and the next.
func openObject(t testing.TB, path string, lang event.Language) *object {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o := &object{lang: lang}
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD {
			data := make([]byte, p.Filesz)
			if _, err := p.ReadAt(data, 0); err != nil {
				t.Fatal(err)
			}
			o.segments = append(o.segments, segment{p.Vaddr, data})
		}
	}
	static, _ := file.Symbols()
	dynamic, _ := file.DynamicSymbols()
	seen := map[uint64]bool{}
	for _, s := range append(static, dynamic...) {
		kind := elf.ST_TYPE(s.Info)
		code := make([]byte, s.Size)
		if s.Size == 0 || seen[s.Value] || kind != elf.STT_FUNC || strings.Contains(s.Name, ".cold") || !o.read(s.Value, code) {
			continue
		}
		seen[s.Value] = true
		o.functions = append(o.functions, Function{Name: s.Name, Addr: s.Value, Code: code, Read: o.read})
	}
	slices.SortFunc(o.functions, func(a, b Function) int { return int(int64(a.Addr) - int64(b.Addr)) })
	for i := range o.functions {
		f := &o.functions[i]
		end := f.Addr + uint64(len(f.Code))
		gap := uint64(16)
		if i+1 < len(o.functions) {
			gap = min(gap, o.functions[i+1].Addr-min(end, o.functions[i+1].Addr))
		}
		f.After = make([]byte, gap)
		if !o.read(end, f.After) {
			f.After = nil
		}
	}
	return o
}

// at names the function that begins at an address.
func (o *object) at(addr uint64) string {
	i := sort.Search(len(o.functions), func(i int) bool { return o.functions[i].Addr >= addr })
	if i < len(o.functions) && o.functions[i].Addr == addr {
		return o.functions[i].Name
	}
	return ""
}

// Most functions of real libraries can be patched at their entry and at every return; the shares are held to a floor.
func TestRealLibrariesCanBePatched(t *testing.T) {
	for _, c := range []struct {
		name           string
		lang           event.Language
		entries, exits float64 // per cent of functions: entry; of those that return: every ret and tail jump
	}{
		{"libc.so.6", event.LangC, 99, 85}, {"libm.so.6", event.LangC, 99, 90}, {"libcrypto.so.3", event.LangC, 99, 95}, {"libstdc++.so.6", event.LangCPP, 99, 92},
		{"libsqlite3.so.0", event.LangC, 99, 90}, {"go", event.LangGo, 99, 95}, {"node", event.LangCPP, 99, 92},
	} {
		path := find(c.name)
		if path == "" {
			t.Logf("%s is not here", c.name)
			continue
		}
		o := openObject(t, path, c.lang)
		entries, returning, exits := 0, 0, 0
		why := map[string]int{}
		looked := 0
		for i := 0; i < len(o.functions); i += 1 + len(o.functions)/20000 {
			f := &o.functions[i]
			looked++
			choice, err := site.ChooseEntry(f.Code, c.lang)
			if err != nil && !errors.Is(err, site.ErrRefused) {
				continue
			}
			windows, refused := Plan(f, []site.Choice{choice})
			if len(refused) == 0 {
				entries++
				sound(t, f, windows)
			} else {
				why[reason(refused[0].Why)]++
			}
			all, err := site.ChooseReturns(f.Code, c.lang, site.FnInfo{Addr: f.Addr, Callee: func(rel int64) string { return o.at(f.Addr + uint64(rel)) }})
			var partial *site.Partial
			if len(all) == 0 || err != nil && !errors.As(err, &partial) {
				continue
			}
			returning++
			windows, refused = Plan(f, append(all, choice))
			if len(refused) == 0 {
				exits++
				sound(t, f, windows)
			}
		}
		entryShare, exitShare := 100*float64(entries)/float64(looked), 100*float64(exits)/float64(max(returning, 1))
		t.Logf("%s: %d functions of %d, entry %.1f %%, every way out %.1f %%; %v", c.name, looked, len(o.functions), entryShare, exitShare, why)
		if entryShare < c.entries || exitShare < c.exits {
			t.Errorf("%s: entry %.1f %%, every way out %.1f %%, want %.0f and %.0f", c.name, entryShare, exitShare, c.entries, c.exits)
		}
	}
}

// reason is a refusal without its numbers.
func reason(why string) string {
	words := strings.Fields(why)
	return strings.Join(words[:min(4, len(words))], " ")
}

func find(name string) string {
	if name == "go" || name == "node" {
		path, err := exec.LookPath(name)
		if err != nil {
			return ""
		}
		path, _ = filepath.EvalSymlinks(path)
		return path
	}
	for _, dir := range []string{"/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// sound checks windows without the planner's own knowledge: they hold the function's bytes and do not overlap, and each copy decodes to the
// same instructions, with the same places referred to.
func sound(t *testing.T, f *Function, windows []Window) {
	t.Helper()
	end := uint64(0)
	for _, w := range windows {
		if w.Addr < end {
			t.Errorf("%s: windows overlap at %#x", f.Name, w.Addr)
		}
		end = max(w.End(), w.Addr+JumpLen)
		off := w.Addr - f.Addr
		if !bytesAt(f.Code, off, w.Bytes) || len(w.Over) != JumpLen {
			t.Errorf("%s+%#x: % x is not its code", f.Name, off, w.Bytes)
		}
		at := w.Addr + 0x1000_0000
		var copied []byte
		for n := range w.Pieces() {
			piece, err := w.Emit(n, at+uint64(len(copied)))
			if err != nil {
				t.Errorf("%s+%#x: %v", f.Name, off, err)
				return
			}
			copied = append(copied, piece...)
		}
		before, err := site.Decode(w.Bytes)
		after, err2 := site.Decode(copied)
		if err != nil || err2 != nil {
			t.Errorf("%s+%#x: %v, %v", f.Name, off, err, err2)
			continue
		}
		same(t, f.Name, w.Addr, at, before, after)
	}
}

func bytesAt(code []byte, off uint64, want []byte) bool {
	return off+uint64(len(want)) <= uint64(len(code)) && string(code[off:off+uint64(len(want))]) == string(want)
}

// same compares instruction by instruction what the original and the copy do.
func same(t *testing.T, name string, from, to uint64, before, after []site.Inst) {
	t.Helper()
	for i, in := range before {
		if in.Flow == site.Call || in.Flow == site.CallIndirect {
			if i != len(before)-1 || len(after) != i+4 {
				t.Errorf("%s: call in the middle", name)
			} else if in.Flow == site.Call && to+uint64(after[i+3].Target) != from+uint64(in.Target) {
				t.Errorf("%s: call goes elsewhere", name)
			}
			return
		}
		if i >= len(after) || after[i].Flow != in.Flow || refersTo(from, in) != refersTo(to, after[i]) {
			t.Errorf("%s: %s became something else", name, in.Text())
			return
		}
	}
	last := before[len(before)-1]
	rest := after[len(before):]
	if stops := last.Flow == site.Jump || last.Flow == site.Return || last.Flow == site.JumpIndirect; stops != (len(rest) == 0) {
		t.Errorf("%s: goes on wrongly", name)
	} else if !stops && (len(rest) != 1 || to+uint64(rest[0].Target) != from+last.End()) {
		t.Errorf("%s: comes back elsewhere", name)
	}
}

// refersTo is the address that a branch or an operand relative to rip means, 0 none.
func refersTo(base uint64, in site.Inst) uint64 {
	off, n := in.Relative()
	switch {
	case n == 0:
		return 0
	case in.Flow == site.Jump || in.Flow == site.CondJump:
		return base + uint64(in.Target)
	}
	return base + in.End() + uint64(int64(int32(binary.LittleEndian.Uint32(in.Bytes()[off:]))))
}
