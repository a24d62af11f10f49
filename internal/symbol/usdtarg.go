package symbol

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// OperandKind says where a USDT argument is when its probe is hit.
type OperandKind uint8

const (
	OperandConst    OperandKind = iota // Disp
	OperandRegister                    // Reg, from bit Shift on
	OperandMemory                      // at [Reg + Index*Scale + Disp], without what HasReg and HasIndex deny
	OperandAddress                     // at the ELF address Addr
	OperandUnknown                     // Problem says why
)

// USDTArg is one argument: an operand of an assembler instruction, with the size that its C type had.
type USDTArg struct {
	Size     int // bytes: 1, 2, 4, 8
	Signed   bool
	Float    bool
	Kind     OperandKind
	Disp     int64
	Reg      ctype.Register
	Shift    uint8 // 8 for ah, bh, ch, dh
	HasReg   bool
	Index    ctype.Register
	HasIndex bool
	Scale    int64
	Addr     Addr
	Problem  string
	Raw      string
}

const maxArgs = 32 // sdt.h ends at 12

// probeArgs reads the arguments of a note: N@OPERAND, separated by spaces, N the size, negative for signed types.
func (f *File) probeArgs(text string) []USDTArg {
	var args []USDTArg
	for _, field := range strings.Fields(text) {
		if len(args) < maxArgs {
			args = append(args, f.probeArg(field))
		}
	}
	return args
}

func (f *File) probeArg(text string) USDTArg {
	arg := USDTArg{Raw: text, Size: 8, Scale: 1}
	operand := text
	if size, after, found := strings.Cut(text, "@"); found {
		operand = after
		arg.setSize(size)
	}
	if arg.Kind != OperandUnknown {
		f.setOperand(&arg, operand)
	}
	return arg
}

func (a *USDTArg) unknown(format string, values ...any) {
	a.Kind, a.Problem = OperandUnknown, fmt.Sprintf(format, values...)
}

// setSize reads "4", "-4", "8f".
func (a *USDTArg) setSize(text string) {
	number := strings.TrimSuffix(text, "f")
	a.Float = number != text
	size, err := strconv.Atoi(number)
	a.Signed = size < 0
	a.Size = max(size, -size)
	if err != nil || a.Size != 1 && a.Size != 2 && a.Size != 4 && a.Size != 8 {
		a.unknown("size %q", text)
	}
}

// setOperand reads what the assembler would: $5, %eax, -8(%rbp), (%rax,%rbx,8), symbol+4(%rip).
func (f *File) setOperand(a *USDTArg, text string) {
	switch {
	case strings.HasPrefix(text, "$"):
		value, symbol, ok := displacement(text[1:])
		if a.Disp = value; !ok || symbol != "" {
			a.unknown("constant %q", text)
		}
	case strings.HasPrefix(text, "%"):
		a.Kind = OperandRegister
		a.HasReg = a.register(text, &a.Reg, &a.Shift)
	case strings.HasSuffix(text, ")") && strings.Contains(text, "("):
		open := strings.LastIndexByte(text, '(')
		f.setMemory(a, text[:open], text[open+1:len(text)-1])
	default:
		f.setMemory(a, text, "")
	}
}

// setMemory reads displacement(base,index,scale).
func (f *File) setMemory(a *USDTArg, before, inside string) {
	value, symbol, ok := displacement(before)
	if !ok {
		a.unknown("displacement %q", before)
		return
	}
	a.Kind, a.Disp = OperandMemory, value
	parts := strings.Split(inside, ",")
	if symbol != "" || parts[0] == "%rip" || inside == "" {
		f.setAddress(a, symbol, parts[0])
		return
	}
	var none uint8
	if parts[0] != "" {
		a.HasReg = a.register(parts[0], &a.Reg, &none)
	}
	if len(parts) > 1 && parts[1] != "" {
		a.HasIndex = a.register(parts[1], &a.Index, &none)
	}
	if len(parts) > 2 {
		scale, err := strconv.ParseInt(strings.TrimSpace(parts[2]), 0, 64)
		if a.Scale = scale; err != nil || scale != 1 && scale != 2 && scale != 4 && scale != 8 {
			a.unknown("scale %q", parts[2])
		}
	}
}

// setAddress finds the object that an operand names; it may be no function.
func (f *File) setAddress(a *USDTArg, symbol, base string) {
	if base != "" && base != "%rip" {
		a.unknown("symbol %q with register %s", symbol, base)
		return
	}
	addr, ok := f.objectAddr(symbol)
	if !ok {
		a.unknown("no symbol %q", symbol)
		return
	}
	a.Kind, a.Addr, a.Disp = OperandAddress, addr+Addr(a.Disp), 0
}

// displacement sums up terms: "-8", "0x10", "sym", "4+sym", "sym+4-2".
func displacement(text string) (sum int64, symbol string, ok bool) {
	for text != "" {
		end := 1 + strings.IndexAny(text[1:]+"+", "+-")
		term := strings.TrimSpace(text[:end])
		text = text[end:]
		number := strings.TrimPrefix(term, "+")
		value, err := strconv.ParseInt(number, 0, 64)
		if err != nil {
			var unsigned uint64
			unsigned, err = strconv.ParseUint(number, 0, 64)
			value = int64(unsigned)
		}
		switch {
		case err == nil:
			sum += value
		case symbol == "" && number != "" && (identifier(number[0]) || number[0] == '.'):
			symbol = number
		default:
			return 0, "", false
		}
	}
	return sum, symbol, true
}

// register reads the name of a general register of any width; others are beyond what a probe sees.
func (a *USDTArg) register(text string, to *ctype.Register, shift *uint8) bool {
	name := strings.TrimPrefix(strings.TrimSpace(text), "%")
	found, high, ok := registerNamed(name)
	if !ok {
		a.unknown("register %q", name)
		return false
	}
	*to = found
	if high {
		*shift = 8
	}
	return true
}

func registerNamed(name string) (r ctype.Register, high, ok bool) {
	if number, isNew := strings.CutPrefix(name, "r"); isNew {
		if n, err := strconv.Atoi(strings.TrimRight(number, "dwb")); err == nil && n >= 8 && n <= 15 {
			return ctype.R8 + ctype.Register(n-8), false, true
		}
	}
	for _, r := range [...]struct {
		name   string
		number ctype.Register
	}{
		{"ax", ctype.RAX}, {"bx", ctype.RBX}, {"cx", ctype.RCX}, {"dx", ctype.RDX},
		{"si", ctype.RSI}, {"di", ctype.RDI}, {"bp", ctype.RBP}, {"sp", ctype.RSP},
	} {
		low, top := r.name+"l", "" // sil
		if r.name[1] == 'x' {
			low, top = r.name[:1]+"l", r.name[:1]+"h" // al, ah
		}
		switch name {
		case r.name, "r" + r.name, "e" + r.name, low:
			return r.number, false, true
		case top:
			return r.number, true, true
		}
	}
	return 0, false, false
}
