package x86_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// decode disassembles code, an instruction a line.
func decode(t testing.TB, code []byte) string {
	t.Helper()
	var lines []string
	for len(code) > 0 {
		in, err := x86asm.Decode(code, 64)
		if err != nil {
			t.Fatalf("% x: %v", code, err)
		}
		lines = append(lines, x86asm.IntelSyntax(in, 0, nil))
		code = code[in.Len:]
	}
	return strings.Join(lines, "; ")
}

func assemble(t testing.TB, base uint64, write func(c *x86.Code)) []byte {
	t.Helper()
	c := &x86.Code{}
	write(c)
	code, err := c.Assemble(base)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

const (
	rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi = x86.RAX, x86.RCX, x86.RDX, x86.RBX, x86.RSP, x86.RBP, x86.RSI, x86.RDI
	r8, r9, r10, r11, r12, r13, r14, r15   = x86.R8, x86.R9, x86.R10, x86.R11, x86.R12, x86.R13, x86.R14, x86.R15
)

// names of registers by size.
func name(size x86.Size, r x86.Reg) string {
	word := []string{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"}
	if r >= 8 {
		return fmt.Sprintf("r%d%s", r, map[x86.Size]string{1: "b", 2: "w", 4: "d", 8: ""}[size])
	}
	switch size {
	case x86.Byte:
		return []string{"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"}[r]
	case x86.Half:
		return word[r]
	case x86.Word:
		return "e" + word[r]
	}
	return "r" + word[r]
}

var sizes = []x86.Size{x86.Byte, x86.Half, x86.Word, x86.Quad}

var pointer = map[x86.Size]string{1: "byte ptr ", 2: "word ptr ", 4: "dword ptr ", 8: "qword ptr "}

var ops = []string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"}

// check compares what was encoded with what a disassembler reads.
func check(t *testing.T, want string, write func(c *x86.Code)) {
	t.Helper()
	code := assemble(t, 0, write)
	if got := strings.ReplaceAll(decode(t, code), "r8l", "r8b"); lower(got) != want {
		t.Errorf("% x is %q, want %q", code, lower(got), want)
	}
}

// lower writes registers of 8 bits as the SDM does.
func lower(s string) string {
	for r := 8; r < 16; r++ {
		s = strings.ReplaceAll(s, fmt.Sprintf("r%dl", r), fmt.Sprintf("r%db", r))
	}
	return s
}

func TestEveryRegisterInEverySize(t *testing.T) {
	for _, size := range sizes {
		for a := rax; a <= r15; a++ {
			for b := rax; b <= r15; b++ {
				dst, src := name(size, a), name(size, b)
				check(t, "mov "+dst+", "+src, func(c *x86.Code) { c.Mov(size, a, b) })
				check(t, "test "+dst+", "+src, func(c *x86.Code) { c.Test(size, a, b) })
				for i, op := range ops {
					check(t, op+" "+dst+", "+src, func(c *x86.Code) { c.Op(x86.Arith(i), size, a, b) })
				}
				if size >= x86.Word {
					check(t, "imul "+dst+", "+src, func(c *x86.Code) { c.IMul(size, a, b) })
					check(t, "cmovb "+dst+", "+src, func(c *x86.Code) { c.Cmov(x86.Below, size, a, b) })
					check(t, "movsx "+dst+", "+name(1, b), func(c *x86.Code) { c.MovSigned(x86.Byte, size, a, b) })
					check(t, "movsx "+dst+", "+name(2, b), func(c *x86.Code) { c.MovSigned(x86.Half, size, a, b) })
				}
			}
			r := name(size, a)
			for i, op := range ops {
				check(t, op+" "+r+", 0x12", func(c *x86.Code) { c.OpImm(x86.Arith(i), size, a, 0x12) })
			}
			for op, s := range map[string]x86.Shift{"rol": x86.Rol, "ror": x86.Ror, "shl": x86.Shl, "shr": x86.Shr, "sar": x86.Sar} {
				check(t, op+" "+r+", 0x5", func(c *x86.Code) { c.ShiftImm(s, size, a, 5) })
				check(t, op+" "+r+", cl", func(c *x86.Code) { c.ShiftCL(s, size, a) })
			}
			check(t, "neg "+r, func(c *x86.Code) { c.Neg(size, a) })
			check(t, "not "+r, func(c *x86.Code) { c.Not(size, a) })
			check(t, "mul "+r, func(c *x86.Code) { c.Mul(size, a) })
			check(t, "imul "+r, func(c *x86.Code) { c.IMul1(size, a) })
			check(t, "div "+r, func(c *x86.Code) { c.Div(size, a) })
			check(t, "idiv "+r, func(c *x86.Code) { c.IDiv(size, a) })
		}
	}
}

func TestEveryAddress(t *testing.T) {
	disps := map[int32]string{0: "", 8: "+0x8", -8: "-0x8", 0x1234: "+0x1234", -0x1234: "+0xffffedcc"} // as the disassembler writes the last
	for base := rax; base <= r15; base++ {
		for disp, text := range disps {
			for _, size := range sizes {
				m := x86.At(base, disp)
				at := pointer[size] + "[" + name(8, base) + text + "]"
				check(t, "mov "+at+", "+name(size, rsi), func(c *x86.Code) { c.Store(size, m, rsi) })
				check(t, "mov "+at+", 0x7", func(c *x86.Code) { c.StoreImm(size, m, 7) })
				check(t, "add "+name(size, r9)+", "+at, func(c *x86.Code) { c.OpFrom(x86.Add, size, r9, m) })
				check(t, "lock xadd "+at+", "+name(size, rdi), func(c *x86.Code) { c.LockXadd(size, m, rdi) })
				check(t, "lock cmpxchg "+at+", "+name(size, r15), func(c *x86.Code) { c.LockCmpxchg(size, m, r15) })
				check(t, "xchg "+at+", "+name(size, rbp), func(c *x86.Code) { c.XchgMem(size, m, rbp) })
				check(t, "lock xor "+at+", "+name(size, rbp), func(c *x86.Code) { c.LockOp(x86.Xor, size, m, rbp) })
				check(t, "lock sub "+at+", 0x1", func(c *x86.Code) { c.LockOpImm(x86.Sub, size, m, 1) })
			}
			for index := rax; index <= r15; index++ {
				if index == rsp {
					continue
				}
				want := fmt.Sprintf("lea r11, ptr [%s+4*%s%s]", name(8, base), name(8, index), text)
				check(t, want, func(c *x86.Code) { c.Lea(r11, x86.AtIndex(base, index, 4, disp)) })
			}
		}
	}
}

func TestForms(t *testing.T) {
	for want, write := range map[string]func(c *x86.Code){
		"mov eax, 0x0":                    func(c *x86.Code) { c.MovImm(rax, 0) },
		"mov r9d, -0x2":                   func(c *x86.Code) { c.MovImm(r9, 0xfffffffe) },
		"mov r9, -0x2":                    func(c *x86.Code) { c.MovImm(r9, ^uint64(1)) },
		"mov r12, 0x123456789abcdef0":     func(c *x86.Code) { c.MovImm(r12, 0x123456789abcdef0) },
		"mov rbx, 0x5":                    func(c *x86.Code) { c.MovImm64(rbx, 5) },
		"movzx eax, byte ptr [r12]":       func(c *x86.Code) { c.Load(x86.Byte, rax, x86.At(r12, 0)) },
		"movzx r8d, word ptr [r13]":       func(c *x86.Code) { c.Load(x86.Half, r8, x86.At(r13, 0)) },
		"mov eax, dword ptr fs:[0x10]":    func(c *x86.Code) { c.Load(x86.Word, rax, x86.AtFS(0x10)) },
		"mov rax, qword ptr fs:[]":        func(c *x86.Code) { c.Load(x86.Quad, rax, x86.AtFS(0)) },
		"mov eax, dword ptr fs:[r10+0x4]": func(c *x86.Code) { c.Load(x86.Word, rax, x86.AtFSReg(r10, 4)) },
		"mov rax, qword ptr [0x1000]":     func(c *x86.Code) { c.Load(x86.Quad, rax, x86.AtAbs(0x1000)) },
		"movsx rax, byte ptr [rsi]":       func(c *x86.Code) { c.LoadSigned(x86.Byte, rax, x86.At(rsi, 0)) },
		"movsx rax, word ptr [rsi]":       func(c *x86.Code) { c.LoadSigned(x86.Half, rax, x86.At(rsi, 0)) },
		"movsxd rax, dword ptr [rsi]":     func(c *x86.Code) { c.LoadSigned(x86.Word, rax, x86.At(rsi, 0)) },
		"movsxd r9, esi":                  func(c *x86.Code) { c.MovSigned(x86.Word, x86.Quad, r9, rsi) },
		"movzx esi, dil":                  func(c *x86.Code) { c.MovZero(x86.Byte, rsi, rdi) },
		"movzx esi, r9w":                  func(c *x86.Code) { c.MovZero(x86.Half, rsi, r9) },
		"setnz sil":                       func(c *x86.Code) { c.Setcc(x86.NotEqual, rsi) },
		"push r12; pop rbx":               func(c *x86.Code) { c.Push(r12); c.Pop(rbx) },
		"push qword ptr [rdi+0x8]":        func(c *x86.Code) { c.PushMem(x86.At(rdi, 8)) },
		"pop qword ptr [r12]":             func(c *x86.Code) { c.PopMem(x86.At(r12, 0)) },
		"push 0x7f; push 0x80":            func(c *x86.Code) { c.PushImm(127); c.PushImm(128) },
		"imul rax, r9, 0x3":               func(c *x86.Code) { c.IMulImm(x86.Quad, rax, r9, 3) },
		"imul eax, r9d, 0x333":            func(c *x86.Code) { c.IMulImm(x86.Word, rax, r9, 0x333) },
		"add rax, 0x12345":                func(c *x86.Code) { c.OpImm(x86.Add, x86.Quad, rax, 0x12345) },
		"test r9w, 0x1234; ret":           func(c *x86.Code) { c.TestImm(x86.Half, r9, 0x1234); c.Ret() },
		"test dword ptr [rax], 0x1; ret":  func(c *x86.Code) { c.TestMemImm(x86.Word, x86.At(rax, 0), 1); c.Ret() },
		"cmp byte ptr [rax], 0xff; ret":   func(c *x86.Code) { c.OpToImm(x86.Cmp, x86.Byte, x86.At(rax, 0), -1); c.Ret() },
		"cmp qword ptr [rax], r8":         func(c *x86.Code) { c.OpTo(x86.Cmp, x86.Quad, x86.At(rax, 0), r8) },
		"shrd rax, rdx, 0x20":             func(c *x86.Code) { c.Shrd(x86.Quad, rax, rdx, 32) },
		"cdq; cqo":                        func(c *x86.Code) { c.SignExtendA(x86.Word); c.SignExtendA(x86.Quad) },
		"bswap r9; bswap eax; bswap r8d":  func(c *x86.Code) { c.Bswap(x86.Quad, r9); c.Bswap(x86.Word, rax); c.Bswap(x86.Word, r8) },
		"bsr r9, rax; bsf eax, edx":       func(c *x86.Code) { c.Bsr(x86.Quad, r9, rax); c.Bsf(x86.Word, rax, rdx) },
		"xchg rax, r9":                    func(c *x86.Code) { c.Xchg(x86.Quad, r9, rax) },
		"jmp rax; jmp r9; call r11":       func(c *x86.Code) { c.JmpReg(rax); c.JmpReg(r9); c.CallReg(r11) },
		"jmp qword ptr [r9+0x8]":          func(c *x86.Code) { c.JmpMem(x86.At(r9, 8)) },
		"call qword ptr [rbx]; leave":     func(c *x86.Code) { c.CallMem(x86.At(rbx, 0)); c.Leave() },
		"pushfq; popfq; cld":              func(c *x86.Code) { c.Pushf(); c.Popf(); c.Cld() },
		"rep movsq qword ptr [rdi], qword ptr [rsi]; rep stosb byte ptr [rdi]": func(c *x86.Code) { c.RepMovs(x86.Quad); c.RepStos(x86.Byte) },
		"syscall; rdtsc; pause; int3; ud2":                                     func(c *x86.Code) { c.Syscall(); c.Rdtsc(); c.Pause(); c.Int3(); c.Ud2() },
		"lsl eax, ecx; rdfsbase r9":                                            func(c *x86.Code) { c.Lsl(rax, rcx); c.ReadFS(r9) },
	} {
		check(t, want, write)
	}
}

func TestJumpsTakeTheShortFormWhereItReaches(t *testing.T) {
	for _, gap := range []int{0, 100, 127, 128, 129, 1000} {
		code := assemble(t, 0x1000, func(c *x86.Code) {
			back, out := c.Here(), c.Label()
			c.Jcc(x86.Less, out)
			c.Nop(gap)
			c.Jmp(back)
			c.Bind(out)
			c.Call(back)
			c.Ret()
		})
		in, err := x86asm.Decode(code, 64)
		if err != nil || in.Op != x86asm.JL {
			t.Fatalf("gap %d: %v %v", gap, in, err)
		}
		target := in.Len + int(in.Args[0].(x86asm.Rel))
		if target != len(code)-6 {
			t.Errorf("gap %d: jl goes to %d of %d bytes", gap, target, len(code))
		}
		if short := gap+2 <= 127 && in.Len != 2; short {
			t.Errorf("gap %d: a long jump", gap)
		}
		call, err := x86asm.Decode(code[target:], 64)
		if err != nil || call.Op != x86asm.CALL || target+call.Len+int(call.Args[0].(x86asm.Rel)) != 0 {
			t.Errorf("gap %d: %v %v", gap, call, err)
		}
		jmp := target - 2
		if gap+4 > 128 {
			jmp = target - 5
		}
		if in, err := x86asm.Decode(code[jmp:], 64); err != nil || in.Op != x86asm.JMP || target+int(in.Args[0].(x86asm.Rel)) != 0 {
			t.Errorf("gap %d: back by %v %v", gap, in, err)
		}
	}
}

func TestFarTargetsAndDataDependOnTheAddress(t *testing.T) {
	c := &x86.Code{}
	data := c.Label()
	c.JmpTo(0x10000)
	c.CallTo(0x2000)
	c.JccTo(x86.Equal, 0x1000)
	c.Load(x86.Quad, rax, x86.AtLabel(data, 8))
	c.StoreImm(x86.Word, x86.AtLabel(data, 0), 5)
	c.Bind(data)
	c.Quad64(1)
	for base, want := range map[uint64]string{
		0x1000: "jmp .+0xeffb; call .+0xff6; jz .-0xc; mov rax, qword ptr [rip+0x12]; mov dword ptr [rip], 0x5",
		0xff80: "jmp .+0x7e; call .-0xdf87; jz .-0xef8d; mov rax, qword ptr [rip+0x12]; mov dword ptr [rip], 0x5",
	} {
		code, err := c.Assemble(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, code[:c.Offset(data)]); got != want {
			t.Errorf("at %#x: %s\nwant %s", base, got, want)
		}
		if !bytes.HasSuffix(code, []byte{1, 0, 0, 0, 0, 0, 0, 0}) {
			t.Errorf("no data at the end of % x", code)
		}
	}
	if _, err := c.Assemble(1 << 40); err == nil {
		t.Error("a jump over a terabyte was encoded")
	}
}

func TestNopsOfEveryLength(t *testing.T) {
	for n := range 40 {
		code := assemble(t, 0, func(c *x86.Code) { c.Nop(n) })
		if len(code) != n || strings.Trim(strings.ReplaceAll(decode(t, code), "nop", ""), "; ") != "" && strings.Contains(decode(t, code), "mov") {
			t.Errorf("%d: % x", n, code)
		}
	}
}

func TestAnUnboundLabelIsAnError(t *testing.T) {
	c := &x86.Code{}
	c.Jmp(c.Label())
	if _, err := c.Assemble(0); err == nil {
		t.Error("no error")
	}
}
