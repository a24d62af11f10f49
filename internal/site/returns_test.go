package site

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// info is what a resolver would say about a function.
func (o *object) info(f function) FnInfo {
	info := FnInfo{
		Addr: f.addr,
		Callee: func(rel int64) string {
			if callee := o.at(f.addr + uint64(rel)); callee != nil {
				return callee.name
			}
			return ""
		},
		Read: func(rel int64, buf []byte) bool { return o.read(f.addr+uint64(rel), buf) },
	}
	for _, other := range o.cold {
		if strings.HasPrefix(other.name, f.name+".cold") {
			info.Cold = append(info.Cold, Part{Start: int64(other.addr - f.addr), Code: other.code})
		}
	}
	return info
}

func TestReturnsOfC(t *testing.T) {
	const (
		notrack = "\x3e\xff\xe0"
		jmpRAX  = "\xff\xe0"
		movslq  = "\x48\x63\x04\x82" // movslq (%rdx,%rax,4),%rax
		addRDX  = "\x48\x01\xd0"     // add %rdx,%rax
		vtable  = "\x48\x8b\x07\x48\x8b\x40\x10"
		nop     = "\x90"
	)
	names := func(rel int64) string { return map[int64]string{0x100: "callee", -0x40: "f.cold"}[rel] }
	for _, c := range []struct {
		name    string
		code    []byte
		fn      FnInfo
		want    string // role+offset, ...
		partial string // words of the reasons
	}{
		{"a ret", asm(push, "\x5d", ret), FnInfo{}, "ret+2", ""},
		{"every ret", asm(testDI, "\x74\x01", ret, "\xf3\xc3"), FnInfo{}, "ret+4 ret+5", ""},
		{"ret with an immediate", asm("\xc2\x08\x00"), FnInfo{}, "ret+0", ""},
		{"a tail jump", asm("\xe9\xfb\x00\x00\x00"), FnInfo{Callee: names}, "tail jump+0->100", ""},
		{"a tail jump with nothing known", asm("\xe9\xfb\x00\x00\x00"), FnInfo{}, "tail jump+0->100", ""},
		{"a jump inside", asm("\xeb\x00", ret), FnInfo{}, "ret+2", ""},
		{"a jump out with a frame left", asm(push, "\xe9\xfa\x00\x00\x00"), FnInfo{Callee: names}, "", "frame on the stack"},
		{"a conditional tail jump", asm(testDI, "\x0f\x84\xf8\x00\x00\x00", ret), FnInfo{Callee: names}, "ret+8", "on a condition"},
		{"a conditional tail jump, flags looked at", asm(testDI, "\x0f\x84\xf8\x00\x00\x00", ret),
			FnInfo{Callee: names, Conditions: true}, "tail jump+2->100?74 ret+8", ""},
		{"a way to nameless code", asm(testDI, "\x0f\x84\xf0\x00\x00\x00", ret), FnInfo{Callee: names}, "ret+8", "has no name"},
		{"a way to a cold part that was not given", asm(testDI, "\x0f\x84\xb8\xff\xff\xff", ret), FnInfo{Callee: names}, "ret+8", "has no name"},
		{"a way to a cold part", asm(testDI, "\x0f\x84\xb8\xff\xff\xff", ret), FnInfo{Cold: []Part{{-0x40, asm(xorEAX, ret)}}},
			"ret+8 ret+ffffffffffffffc2", ""},
		{"a way back from a cold part", asm(testDI, "\x74\xbc", nop, ret), FnInfo{Cold: []Part{{-0x40, asm(xorEAX, "\xeb\x40")}}}, "ret+5", ""},
		{"a switch that says so", asm(testDI, notrack, ret), FnInfo{}, "ret+5", ""},
		{"a switch by a table of distances", asm(movslq, addRDX, jmpRAX, ret), FnInfo{}, "ret+9", ""},
		{"a call through a pointer", asm(vtable, jmpRAX), FnInfo{}, "tail jump+7", ""},
		{"a call through an argument", asm("\xff\xe7"), FnInfo{}, "tail jump+0", ""},
		{"a call through memory", asm("\xff\x67\x10"), FnInfo{}, "tail jump+0", ""},
		{"a stub of the procedure linkage table", asm(endbr64, "\xf2\xff\x25\x00\x10\x00\x00"), FnInfo{}, "tail jump+4", ""},
		{"labels or functions", asm("\xff\x24\xc5\x00\x10\x40\x00"), FnInfo{}, "", "through a table"},
		{"labels, when the table can be read", asm("\xff\x24\xc5\x00\x10\x40\x00", ret),
			FnInfo{Addr: 0x400000, Read: table(0x400007)}, "ret+7", ""},
		{"functions, when the table can be read", asm("\xff\x24\xc5\x00\x10\x40\x00", ret),
			FnInfo{Addr: 0x400000, Read: table(0x500000)}, "ret+7", "through a table"},
		{"a computed goto with a frame", asm(push, "\xff\x24\xc5\x00\x10\x40\x00", "\x5d", ret), FnInfo{}, "ret+9", ""},
		{"falling into the next function", asm(xorEAX), FnInfo{}, "", "falls through"},
		{"ending with a call that never returns", asm(sub8, "\xe8\x00\x10\x00\x00"), FnInfo{}, "", ""},
		{"padding behind the end", asm(ret, nop, nop), FnInfo{}, "ret+0", ""},
		{"a ret on which no probe can be placed", asm("\x3e\xc3"), FnInfo{}, "", "no kernel probe"},
		{"code behind a call that never returns", asm(testDI, "\x74\x0b", sub8, "\xe8\x00\x10\x00\x00", nop, nop, "\xe9\xee\x00\x00\x00"),
			FnInfo{Callee: names}, "tail jump+f->102", "has no name"},
	} {
		got, err := ChooseReturns(c.code, event.LangC, c.fn)
		var partial *Partial
		if err != nil && !errors.As(err, &partial) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.name == "code behind a call that never returns" { // its target has no name, but the frame is known to be gone
			c.partial = ""
		}
		if text := describe(got); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if (c.partial == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.partial) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.partial)
		}
	}
}

// table answers reads with one address again and again.
func table(addr uint64) func(int64, []byte) bool {
	return func(_ int64, buf []byte) bool {
		for i := range buf {
			buf[i] = byte(addr >> (8 * (i % 8)))
		}
		return true
	}
}

func describe(choices []Choice) string {
	var out []string
	for _, c := range choices {
		text := fmt.Sprintf("%v+%x", c.Role, c.Offset)
		if c.Target != 0 {
			text += fmt.Sprintf("->%x", c.Target)
		}
		if c.Cond != 0 {
			text += fmt.Sprintf("?%x", c.Cond)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestReturnSitesOfRealObjects(t *testing.T) {
	for _, o := range corpus(t) {
		lines := o.disassembly(t)
		roles := map[Role]int{}
		partial, none, emulated, sites := 0, 0, 0, 0
		for _, f := range o.functions {
			choices, err := ChooseReturns(f.code, o.lang, o.info(f))
			var incomplete *Partial
			if errors.As(err, &incomplete) {
				partial++
			} else if err != nil {
				t.Errorf("%s: %s: %v", o.path, f.name, err)
			} else if len(choices) == 0 {
				none++
			}
			rets := 0
			for _, c := range choices {
				roles[c.Role]++
				sites++
				if c.Cost != Stepped {
					emulated++
				}
				asm := lines[f.addr+c.Offset].text
				if o.compared(f) && asm == "" {
					t.Errorf("%s: %s+%#x is no instruction for objdump", o.path, f.name, c.Offset)
				}
				if strings.HasPrefix(asm, "ret") || strings.HasPrefix(asm, "repz ret") {
					rets++
				}
			}
			if want := countRets(f.code); rets != want && o.compared(f) {
				t.Errorf("%s: %s: %d of its %d ret are sites", o.path, f.name, rets, want)
			}
		}
		n := len(o.functions)
		t.Logf("%s: %d functions: %v, %d%% of the sites emulated; %d partial, %d never return", filepath.Base(o.path), n, roles,
			100*emulated/max(sites, 1), partial, none)
		if partial*10 > n {
			t.Errorf("%s: %d of %d functions are partial", o.path, partial, n)
		}
	}
}

func countRets(code []byte) int {
	insts, _ := Decode(code)
	n := 0
	for _, in := range insts {
		if in.Flow == Return {
			n++
		}
	}
	return n
}

// counters count the hits of the sites of one function on CPU 0, on which observe runs the program.
type counters struct {
	entry, ends []int
}

// arm places all probes at once: each waits for the kernel to come to rest, and so does each that is closed.
func arm(t *testing.T, o *object, sites map[uint64]*[]int) {
	t.Helper()
	var wait sync.WaitGroup
	var lock sync.Mutex
	var fds []int
	for addr, list := range sites {
		offset := o.offset(t, addr)
		wait.Go(func() {
			fd, err := armUprobe(o.path, offset, -1, 0)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				t.Errorf("%s at %#x: %v", o.path, offset, err)
				return
			}
			*list = append(*list, fd)
			fds = append(fds, fd)
		})
	}
	wait.Wait()
	t.Cleanup(func() {
		var wait sync.WaitGroup
		for _, fd := range fds {
			wait.Go(func() { unix.Close(fd) })
		}
		wait.Wait()
	})
	if t.Failed() {
		t.FailNow()
	}
}

func (c *counters) read() (entries, ends uint64) {
	for _, fd := range c.entry {
		entries += readCount(fd)
	}
	for _, fd := range c.ends {
		ends += readCount(fd)
	}
	return entries, ends
}

// observe arms the entry and the ends of functions of a program, runs it and gives its output and the counts.
func observe(t *testing.T, o *object, names []string) (string, map[string]*counters) {
	t.Helper()
	counts := map[string]*counters{}
	sites := map[uint64]*[]int{} // address -> the list of what counts there
	var both []func()            // functions whose entry is their end: a lone tail jump
	for _, name := range names {
		for _, f := range o.functions {
			if f.name != name {
				continue
			}
			c := &counters{}
			counts[name] = c
			entry, err := ChooseEntry(f.code, o.lang)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sites[f.addr+entry.Offset] = &c.entry
			ends, err := ChooseReturns(f.code, o.lang, o.info(f))
			if err != nil {
				t.Logf("%s: %v", name, err)
			}
			for _, end := range ends {
				if end.Offset == entry.Offset {
					both = append(both, func() { c.ends = append(c.ends, c.entry...) })
					continue
				}
				sites[f.addr+end.Offset] = &c.ends
			}
		}
		if counts[name] == nil {
			t.Fatalf("no function %s", name)
		}
	}
	arm(t, o, sites)
	for _, share := range both {
		share()
	}
	out, err := onFirstCPU(exec.Command(o.path))
	if err != nil {
		t.Fatalf("%s, observed: %v\n%s", o.path, err, out)
	}
	return string(out), counts
}

// onFirstCPU runs a command on CPU 0: a child inherits the affinity of the thread that starts it.
func onFirstCPU(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread() // and the thread ends with the goroutine, affinity and all
	var first unix.CPUSet
	first.Set(0)
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		return nil, err
	}
	return cmd.CombinedOutput()
}

// offset is where an address lies in the file.
func (o *object) offset(t *testing.T, addr uint64) uint64 {
	t.Helper()
	file, err := elf.Open(o.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr < p.Vaddr+p.Filesz {
			return addr - p.Vaddr + p.Off
		}
	}
	t.Fatalf("%s: %#x is not in the file", o.path, addr)
	return 0
}

func TestEveryCallOfCEndsOnce(t *testing.T) {
	fixture.NeedRoot(t)
	for _, flags := range [][]string{nil, {"-O0"}, {"-fcf-protection", "-fno-pie", "-no-pie"}, {"CC=clang", "-O2"}} {
		o := readObject(t, fixture.Build(t, "c/exits.c", flags...), event.LangC)
		names := []string{"leaf", "several", "tail", "through_pointer", "dense", "computed", "recursive", "unlikely", "aligned",
			"jumps", "caller_of_jumps", "by_memory"}
		_, counts := observe(t, o, names)
		for _, name := range names {
			entries, ends := counts[name].read()
			want := entries
			if name == "jumps" {
				want = 0
			}
			t.Logf("%v: %s: %d calls, %d ends", flags, name, entries, ends)
			if ends != want || entries < 100 {
				t.Errorf("%v: %s: %d calls, %d ends, want %d", flags, name, entries, ends, want)
			}
		}
	}
}

func TestEveryCallOfGoEndsOnce(t *testing.T) {
	fixture.NeedRoot(t)
	o := readObject(t, fixture.Build(t, "go/exits"), event.LangGo)
	var names []string
	plain, err := exec.Command(o.path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(plain)); lines.Scan(); {
		names = append(names, strings.Fields(lines.Text())[0])
	}
	out, counts := observe(t, o, names)
	if out != string(plain) {
		t.Errorf("observed, it says\n%s\nand without observer\n%s", out, plain)
	}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var name string
		var calls, ends uint64
		if _, err := fmt.Sscan(line, &name, &calls, &ends); err != nil {
			t.Fatal(err)
		}
		gotCalls, gotEnds := counts[name].read()
		if gotCalls != calls || gotEnds != ends {
			t.Errorf("%s: %d calls, %d ends, want %d and %d", name, gotCalls, gotEnds, calls, ends)
		}
	}
}

func TestGoRolesTellRecovery(t *testing.T) {
	o := readObject(t, fixture.Build(t, "go/exits"), event.LangGo)
	want := map[string]bool{"main.recovers": true, "main.defersOnly": true, "main.defersInLoop": true, "main.plain": false}
	for _, f := range o.functions {
		recovery, asked := want[f.name]
		if !asked {
			continue
		}
		choices, err := ChooseReturns(f.code, event.LangGo, o.info(f))
		found := false
		for _, c := range choices {
			found = found || c.Role == DeferReturn
		}
		if err != nil || found != recovery {
			t.Errorf("%s: %s %v", f.name, describe(choices), err)
		}
	}
}
