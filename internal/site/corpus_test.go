package site

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// function is one function of a real object.
type function struct {
	name string
	addr uint64
	code []byte
}

// object is a real object with its functions in order of address.
type object struct {
	path      string
	lang      event.Language
	functions []function
	cold      []function // those that are parts of others
	segments  []segment
}

// segment is a piece of the object's memory that the file holds.
type segment struct {
	addr uint64
	data []byte
}

// read gives the object's memory.
func (o *object) read(addr uint64, buf []byte) bool {
	for _, s := range o.segments {
		if addr >= s.addr && addr-s.addr+uint64(len(buf)) <= uint64(len(s.data)) {
			copy(buf, s.data[addr-s.addr:])
			return true
		}
	}
	return false
}

// at names the function that starts at addr.
func (o *object) at(addr uint64) *function {
	i := sort.Search(len(o.functions), func(i int) bool { return o.functions[i].addr >= addr })
	if i < len(o.functions) && o.functions[i].addr == addr {
		return &o.functions[i]
	}
	return nil
}

// compared reports whether objdump has read the whole function.
func (o *object) compared(f function) bool {
	return f.addr+uint64(len(f.code)) <= o.functions[0].addr+compared
}

func readObject(t testing.TB, path string, lang event.Language) *object {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	static, _ := file.Symbols()
	dynamic, _ := file.DynamicSymbols()
	o := &object{path: path, lang: lang}
	seen := map[uint64]bool{}
	for _, s := range append(static, dynamic...) {
		kind := elf.ST_TYPE(s.Info)
		if s.Size == 0 || seen[s.Value] || kind != elf.STT_FUNC && kind != elf.STT_GNU_IFUNC || int(s.Section) >= len(file.Sections) {
			continue
		}
		section := file.Sections[s.Section]
		if section.Flags&elf.SHF_EXECINSTR == 0 {
			continue
		}
		code := make([]byte, s.Size)
		if _, err := section.ReadAt(code, int64(s.Value-section.Addr)); err != nil {
			continue
		}
		seen[s.Value] = true
		f := function{s.Name, s.Value, code}
		o.functions = append(o.functions, f)
		if strings.Contains(s.Name, ".cold") {
			o.cold = append(o.cold, f)
		}
	}
	sort.Slice(o.functions, func(i, j int) bool { return o.functions[i].addr < o.functions[j].addr })
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD {
			data := make([]byte, p.Filesz)
			if _, err := p.ReadAt(data, 0); err != nil {
				t.Fatal(err)
			}
			o.segments = append(o.segments, segment{p.Vaddr, data})
		}
	}
	if len(o.functions) == 0 {
		t.Fatalf("%s: no functions", path)
	}
	return o
}

// corpus lists real objects: the system's libraries, the go command, and fixtures when there are.
func corpus(t testing.TB) []*object {
	t.Helper()
	var all []*object
	for _, l := range []struct {
		name string
		lang event.Language
	}{
		{"libc.so.6", event.LangC}, {"libm.so.6", event.LangC}, {"libcrypto.so.3", event.LangC}, {"libstdc++.so.6", event.LangCPP},
	} {
		for _, dir := range []string{"/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"} {
			path := filepath.Join(dir, l.name)
			if _, err := os.Stat(path); err == nil {
				all = append(all, readObject(t, path, l.lang))
				break
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no system library found")
	}
	return append(all, goCommand(t))
}

func goCommand(t testing.TB) *object {
	t.Helper()
	fixture.Need(t, "go")
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return readObject(t, filepath.Join(strings.TrimSpace(string(out)), "bin", "go"), event.LangGo)
}

// disassemblies keeps what objdump said: it takes seconds for a large object.
var disassemblies sync.Map

// line is one instruction as objdump reads it.
type line struct {
	length int
	text   string
}

// compared is how much code of an object is held against objdump.
const compared = 1 << 20

// disassembly is objdump's reading of the first functions of an object, by address.
func (o *object) disassembly(t testing.TB) map[uint64]line {
	t.Helper()
	fixture.Need(t, "objdump")
	if found, ok := disassemblies.Load(o.path); ok {
		return found.(map[uint64]line)
	}
	cmd := exec.Command("objdump", "-d", "-w", "--insn-width=16", fmt.Sprintf("--stop-address=%#x", o.functions[0].addr+compared), o.path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := map[uint64]line{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		place, rest, ok := strings.Cut(lines.Text(), ":\t")
		addr, err := strconv.ParseUint(strings.TrimSpace(place), 16, 64)
		if !ok || err != nil {
			continue
		}
		bytes, asm, _ := strings.Cut(rest, "\t")
		found[addr] = line{len(strings.Fields(bytes)), asm}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	disassemblies.Store(o.path, found)
	return found
}

func TestInstructionsAreThoseThatObjdumpSees(t *testing.T) {
	for _, o := range corpus(t) {
		lines := o.disassembly(t)
		undecodable, total := 0, 0
		for _, f := range o.functions {
			if !o.compared(f) {
				break
			}
			insts, err := Decode(f.code)
			total++
			bad := false
			for _, in := range insts {
				addr := f.addr + in.Offset
				want, ok := lines[addr]
				asm := want.text
				if bad = !ok || strings.Contains(asm, "(bad)"); bad {
					break // data in the middle of code: objdump has lost its way or knows better
				}
				if want.length != in.Len && !(asm[0] == 'f' && in.code[0] == 0x9b) && !loneRex(asm) {
					t.Errorf("%s: %s+%#x: %d bytes %x, objdump: %d bytes %s", o.path, f.name, in.Offset, in.Len, in.code, want.length, asm)
				}
			}
			var decode *DecodeError
			if errors.As(err, &decode) && !bad {
				undecodable++
				t.Logf("%s: %s: %v: objdump: %s", o.path, f.name, err, lines[f.addr+decode.Offset].text)
			}
		}
		t.Logf("%s: %d of %d functions cannot be decoded", filepath.Base(o.path), undecodable, total)
		if undecodable*1000 > total {
			t.Errorf("%s: %d of %d functions cannot be decoded", o.path, undecodable, total)
		}
	}
}

// loneRex recognises what objdump prints for a prefix that it does not join with what follows: text among code.
func loneRex(asm string) bool {
	return strings.HasPrefix(asm, "rex") || strings.HasPrefix(asm, "data16")
}

func TestEntrySitesAreBoundariesWithArgumentsIntact(t *testing.T) {
	for _, o := range corpus(t) {
		lines := o.disassembly(t)
		var classes [3]int
		atStart, refused := 0, 0
		for _, f := range o.functions {
			c, err := ChooseEntry(f.code, o.lang)
			if errors.Is(err, ErrRefused) {
				refused++
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", o.path, f.name, err)
				continue
			}
			classes[c.Cost]++
			if c.Offset == 0 {
				atStart++
			}
			if _, ok := lines[f.addr+c.Offset]; !ok && o.compared(f) {
				t.Errorf("%s: %s+%#x is no instruction for objdump", o.path, f.name, c.Offset)
			}
		}
		n := len(o.functions)
		t.Logf("%s: %d functions: %d nop, %d emulated (%d%%), %d stepped, %d refused; %d at +0", filepath.Base(o.path), n,
			classes[Nop], classes[Emulated], 100*classes[Emulated]/n, classes[Stepped], refused, atStart)
	}
}

func TestGoEntriesLieBehindEveryStackCheck(t *testing.T) {
	o := goCommand(t)
	checked, pushes := 0, 0
	for _, f := range o.functions {
		grows := false
		insts, err := Decode(f.code)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		for _, in := range insts {
			if in.Flow == Call {
				callee := o.at(f.addr + uint64(in.Target))
				grows = grows || callee != nil && strings.HasPrefix(callee.name, "runtime.morestack")
			}
		}
		c, err := ChooseEntry(f.code, event.LangGo)
		if err != nil {
			if !errors.Is(err, ErrRefused) || grows {
				t.Errorf("%s: %v", f.name, err)
			}
			continue
		}
		if grows != (c.Offset > 0) && !strings.HasPrefix(f.name, "runtime.morestack") {
			t.Errorf("%s: calls morestack: %v, site at +%#x %s", f.name, grows, c.Offset, c.Instruction)
		}
		if grows {
			checked++
			if c.Instruction == "push %rbp" {
				pushes++
			}
		}
	}
	t.Logf("%d of %d functions have a check, %d sites are push %%rbp", checked, len(o.functions), pushes)
	if pushes*100 < checked*95 {
		t.Errorf("only %d of %d sites are push %%rbp", pushes, checked)
	}
}
