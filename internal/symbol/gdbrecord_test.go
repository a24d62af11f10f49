package symbol

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// moment is a program stopped: what its registers hold and what they point at.
type moment struct {
	Registers map[string]string // hexadecimal bytes by name
	Memory    map[string]string // hexadecimal bytes by address
}

// call is one call of a function, as gdb saw it.
type call struct {
	Entry, Return moment
	Globals       map[string]string // by name: NAME_0, NAME_r
}

// recorder is a script for gdb: it stops at each address once, writes down registers and memory, and again where the
// function returns to.
const recorder = `
import gdb, json, sys
plan = json.load(open(%q))
calls = {}
general = ["rax","rdx","rcx","rbx","rsi","rdi","rbp","rsp"] + ["r%%d" %% i for i in range(8, 16)]
inferior = lambda: gdb.selected_inferior()
def read(at, n):
    try:
        return bytes(inferior().read_memory(at, n)).hex()
    except gdb.MemoryError:
        return None
def moment():
    registers, memory = {}, {}
    for name in general:
        v = int(gdb.parse_and_eval("(unsigned long)$" + name)) & (2**64 - 1)
        registers[name] = v.to_bytes(8, "little").hex()
        m = read(v, 256)
        if m: memory["%%x" %% v] = m
    for i in range(16):
        v = gdb.parse_and_eval("$xmm%%d.v2_int64" %% i)
        registers["xmm%%d" %% i] = b"".join((int(v[j]) & (2**64 - 1)).to_bytes(8, "little") for j in range(2)).hex()
    sp = int.from_bytes(bytes.fromhex(registers["rsp"]), "little")
    m = read(sp, 512)
    memory["%%x" %% sp] = m
    for i in range(8, 257, 8): # what words of the stack point at
        v = int.from_bytes(bytes.fromhex(m)[i:i+8], "little")
        inner = read(v, 64)
        if inner: memory["%%x" %% v] = inner
    return registers, memory, sp
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set language c")
gdb.execute("handle SIGURG nostop noprint pass", to_string=True)
entries = {}
for name, f in plan.items():
    gdb.execute("tbreak *%%s" %% f["address"], to_string=True)
    entries[int(f["address"], 16)] = name
waiting = {}
try:
    gdb.execute("run", to_string=True)
    while inferior().pid:
        pc = int(gdb.parse_and_eval("(unsigned long)$pc"))
        if pc in entries:
            name = entries.pop(pc)
            registers, memory, sp = moment()
            calls[name] = {"Entry": {"Registers": registers, "Memory": memory}, "Globals": {}}
            for g, (at, n) in plan[name]["globals"].items():
                calls[name]["Globals"][g] = read(int(at, 16), n)
            back = int.from_bytes(bytes(inferior().read_memory(sp, 8)), "little")
            gdb.execute("tbreak *0x%%x" %% back, to_string=True)
            waiting.setdefault(back, []).append(name)
        elif pc in waiting:
            registers, memory, sp = moment()
            name = waiting[pc].pop()
            rdi = int.from_bytes(bytes.fromhex(calls[name]["Entry"]["Registers"]["rdi"]), "little")
            m = read(rdi, 256)
            if m: memory["%%x" %% rdi] = m
            calls[name]["Return"] = {"Registers": registers, "Memory": memory}
        gdb.execute("continue", to_string=True)
except gdb.error as e:
    sys.stderr.write(str(e) + "\n")
json.dump(calls, open(%q, "w"))
gdb.execute("kill", to_string=True) if inferior().pid else None
`

// observed names what to record of one function.
type observed struct {
	Address string            `json:"address"`
	Globals map[string][2]any `json:"globals"`
}

// record runs a program under gdb.
func record(t *testing.T, program string, plan map[string]observed) map[string]call {
	t.Helper()
	fixture.Need(t, "gdb")
	dir := t.TempDir()
	in, out, script := filepath.Join(dir, "plan"), filepath.Join(dir, "calls"), filepath.Join(dir, "record.py")
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{in: string(text), script: fmt.Sprintf(recorder, in, out)} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.Command("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-x", script, program).CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, output)
	}
	result, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var calls map[string]call
	if err := json.Unmarshal(result, &calls); err != nil {
		t.Fatal(err)
	}
	return calls
}

var generalNames = strings.Fields("rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15")

func unhex(s string) []byte {
	b, _ := hex.DecodeString(s)
	return b
}

func (m moment) register(r ctype.Register) []byte {
	if r.Vector() {
		return unhex(m.Registers[fmt.Sprintf("xmm%d", r-ctype.XMM0)])
	}
	return unhex(m.Registers[generalNames[r]])
}

func (m moment) word(r ctype.Register) uint64 {
	c := dwarfCursor{data: m.register(r)}
	return c.u64()
}

// memory gives recorded bytes, nil when they were not recorded.
func (m moment) memory(at uint64, n int64) []byte {
	for start, text := range m.Memory {
		var from uint64
		fmt.Sscanf(start, "%x", &from)
		data := unhex(text)
		if at >= from && at+uint64(n) <= from+uint64(len(data)) {
			return data[at-from : at-from+uint64(n)]
		}
	}
	return nil
}

// collect puts a value together from its pieces. entry is the stack pointer when the function was entered. ok is false
// when a piece cannot be seen.
func (m moment) collect(pieces []ctype.Piece, size int64, entry uint64) (value []byte, ok bool) {
	value = make([]byte, size)
	for _, p := range pieces {
		var from []byte
		switch p.Kind {
		case ctype.InRegister:
			from = m.register(p.Reg)
		case ctype.OnStack:
			from = m.memory(entry+uint64(p.Offset), p.Size)
		case ctype.InMemory:
			from = m.memory(m.word(p.Reg)+uint64(p.Offset), p.Size)
		case ctype.ByStackedAddress:
			c := dwarfCursor{data: m.memory(entry+uint64(p.Offset), 8)}
			from = m.memory(c.u64(), p.Size)
		}
		if int64(len(from)) < p.Size || p.At+p.Size > size {
			return nil, false
		}
		copy(value[p.At:], from[:p.Size])
	}
	return value, true
}

// meaningful marks the bits of a value that carry something: padding may hold anything.
func meaningful(t *ctype.Type, at int64, mask []byte) {
	u := t.Underlying()
	switch {
	case u == nil:
		return
	case u.Kind == ctype.Struct || u.Kind == ctype.Union || u.Kind == ctype.Variant && u.Variants == nil:
		if len(u.Fields) == 0 && u.Size > 1 {
			markBits(mask, at*8, u.Size*8)
		}
		for _, f := range u.Fields {
			if f.BitSize > 0 {
				markBits(mask, at*8+f.BitOffset, f.BitSize)
				continue
			}
			meaningful(f.Type, at+f.Offset, mask)
		}
	case u.Kind == ctype.Array && u.Len > 0:
		for i := range u.Len {
			meaningful(u.Elem, at+i*u.Elem.Sizeof(), mask)
		}
	case u.Kind == ctype.Array:
	case u.Kind == ctype.Float && u.Size == 16 && u.Name == "long double":
		markBits(mask, at*8, 80)
	case u.Kind == ctype.Complex && u.Size == 32:
		markBits(mask, at*8, 80)
		markBits(mask, at*8+128, 80)
	default:
		markBits(mask, at*8, u.Sizeof()*8)
	}
}

func markBits(mask []byte, from, count int64) {
	for i := from; i < from+count && i/8 < int64(len(mask)); i++ {
		mask[i/8] |= 1 << (i % 8)
	}
}
