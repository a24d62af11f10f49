package scaffold

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// offsets are the places of registers in struct pt_regs of x86-64 (arch/x86/include/uapi/asm/ptrace.h), in bytes.
var offsets = map[string]int{
	"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbp": 32, "rbx": 40, "r11": 48, "r10": 56, "r9": 64, "r8": 72,
	"rax": 80, "rcx": 88, "rdx": 96, "rsi": 104, "rdi": 112, "rsp": 152,
}

// slots is how many arguments the program trace of the template ebpf sends.
const slots = 6

// argument is the field of parameter i; ok is false where the template ebpf has no way to read it, or no slot left for it.
func (p Project) argument(i, slot int, q event.Parameter) (m member, ok bool) {
	m = member{JSON: q.Name, Comment: q.Type}
	if p.Template == EBPF {
		return m, slot < slots && m.fromRegisters(slot, q)
	}
	m.At = fmt.Sprintf("c.ArgAt(%d)", i)
	if q.Name != "" {
		m.At = "c.Arg(" + strconv.Quote(q.Name) + ")"
	}
	m.fromValue(q)
	return m, true
}

// result is the field of a result.
func (p Project) result(i int, q event.Parameter) (m member, ok bool) {
	m = member{JSON: q.Name, Comment: q.Type}
	if p.Template == EBPF {
		kind, fits := scalar(q)
		if !fits || i > 0 || len(q.Registers) != 1 || q.Registers[0] != "rax" {
			return m, false
		}
		m.Type, m.From = kind, convert(kind, "e.Result")
		return m, true
	}
	m.At = "*c.Return"
	if len(p.Function.Results) > 1 {
		m.At = fmt.Sprintf("c.Return.At(%d)", i)
	}
	m.fromValue(q)
	return m, true
}

// fromValue chooses the Go type of a value and how event.Value gives it.
func (m *member) fromValue(q event.Parameter) {
	kind, fits := scalar(q)
	switch {
	case q.Kind == event.KindEnum || q.Kind == event.KindFlags || q.Kind == event.KindPointer: // which have names, or what is behind
		m.Type, m.From = "event.Value", m.At
	case q.Kind == event.KindString && nullable(q):
		m.Type, m.From = "*string", "text("+m.At+")"
	case q.Kind == event.KindString || q.Kind == event.KindChar:
		m.Type, m.From = "string", m.At+".Chars()"
	case q.Kind == event.KindBool:
		m.Type, m.From = "bool", m.At+".Bool()"
	case q.Kind == event.KindFloat && (q.Size == 4 || q.Size == 8):
		m.Type = fmt.Sprintf("float%d", q.Size*8)
		m.From = m.Type + "(" + m.At + ".Float64())"
	case fits && strings.HasPrefix(kind, "int"):
		m.Type, m.From = kind, kind+"("+m.At+".Int64())"
	case fits:
		m.Type, m.From = kind, kind+"("+m.At+".Uint64())"
	default:
		m.Type, m.From = "event.Value", m.At
	}
	m.From = strings.ReplaceAll(m.From, "(*c.Return).", "c.Return.")
	m.From = strings.ReplaceAll(m.From, "*c.Return.", "c.Return.")
}

// nullable reports whether a text may be a null pointer: char * of C and C++.
func nullable(q event.Parameter) bool {
	return !q.Behind && strings.Contains(q.Type, "char") && len(q.Registers) < 2
}

// fromRegisters chooses how the program reads an argument and how the event's raw form becomes Go.
func (m *member) fromRegisters(slot int, q event.Parameter) bool {
	var places []int
	for _, r := range q.Registers {
		at, ok := offsets[r]
		if !ok {
			return false
		}
		places = append(places, at)
	}
	kind, fits := scalar(q)
	switch {
	case q.Kind == event.KindString && q.Behind && len(places) == 1 && strings.HasPrefix(plain(q.Type), "std::"):
		m.Type, m.Program = "*string", fmt.Sprintf("{How: textBehind, Reg: %d}", places[0])
	case q.Kind == event.KindString && len(places) >= 2 && !q.Behind:
		m.Type, m.Program = "*string", fmt.Sprintf("{How: textOf, Reg: %d, Len: %d}", places[0], places[1])
	case q.Kind == event.KindString && len(places) == 1 && nullable(q):
		m.Type, m.Program = "*string", fmt.Sprintf("{How: textAt, Reg: %d}", places[0])
	case fits && len(places) == 1:
		m.Type, m.Program = kind, fmt.Sprintf("{How: number, Reg: %d}", places[0])
		m.From = convert(kind, fmt.Sprintf("e.Args[%d]", slot))
		return true
	default:
		return false
	}
	m.From = fmt.Sprintf("e.text(%d)", slot)
	return true
}

// plain takes const away from a type.
func plain(t string) string { return strings.TrimPrefix(t, "const ") }

// scalar is the Go type of a number; an address is a uint64.
func scalar(q event.Parameter) (string, bool) {
	switch q.Kind {
	case event.KindBool:
		return "bool", true
	case event.KindPointer:
		return "uint64", q.Size == 8
	case event.KindInt, event.KindEnum, event.KindChar:
		return fmt.Sprintf("int%d", q.Size*8), wide(q.Size)
	case event.KindUint, event.KindFlags:
		return fmt.Sprintf("uint%d", q.Size*8), wide(q.Size)
	}
	return "", false
}

func wide(size int64) bool { return size == 1 || size == 2 || size == 4 || size == 8 }

// convert turns a register's 64 bits into a Go type.
func convert(kind, bits string) string {
	switch kind {
	case "bool":
		return "uint8(" + bits + ") != 0"
	case "uint64":
		return bits
	}
	return kind + "(" + bits + ")"
}
