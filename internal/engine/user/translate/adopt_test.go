//go:build linux && amd64

package translate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// constants has the 64-bit numbers 0, 1, 2, ... one behind the other.
func constants(name string, at uint64, width int) (uint64, bool) {
	return at / 8, name == "fixed" && at%8 == 0 && width == 8
}

func fixedNumber(dst asm.Register, n int16) asm.Instructions {
	return asm.Instructions{
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: dst, Src: asm.PseudoMapValue, Constant: 8 << 32}.WithReference("fixed"),
		asm.LoadMem(dst, dst, 8*n-8, asm.DWord),
	}
}

// What constant data rule out need not be known; what is left is refused by its name.
func TestForeignProgramsAreRefusedByWhatTheyStillDo(t *testing.T) {
	end := asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return()}
	task := asm.FnGetCurrentTask.Call()
	program := func(number int16, then ...asm.Instruction) asm.Instructions {
		return append(append(fixedNumber(asm.R3, number), then...), end...)
	}
	for name, c := range map[string]struct {
		ins  asm.Instructions
		want string
	}{
		"switched off":           {program(0, asm.JEq.Imm(asm.R3, 0, "end"), task), ""},
		"switched on":            {program(1, asm.JEq.Imm(asm.R3, 0, "end"), task), "bpf_get_current_task"},
		"as a 32-bit number":     {program(0, asm.LSh.Imm(asm.R3, 32), asm.RSh.Imm(asm.R3, 32), asm.JEq.Imm32(asm.R3, 0, "end"), task), ""},
		"by a copy":              {program(5, asm.Mov.Reg(asm.R7, asm.R3), asm.JGT.Imm(asm.R7, 4, "end"), task), ""},
		"less than zero":         {program(5, asm.Sub.Imm(asm.R3, 6), asm.JSLT.Imm(asm.R3, 0, "end"), task), ""},
		"by its bits":            {program(6, asm.And.Imm(asm.R3, 1), asm.JEq.Imm(asm.R3, 0, "end"), task), ""},
		"not decided":            {program(0, asm.LoadMem(asm.R3, asm.R1, 0, asm.DWord), asm.JEq.Imm(asm.R3, 0, "end"), task), "bpf_get_current_task"},
		"a long load left out":   {program(0, asm.JEq.Imm(asm.R3, 0, "end"), asm.LoadImm(asm.R2, 1<<40, asm.DWord), task), ""},
		"stacks of the kernel":   {program(0, asm.Mov.Imm(asm.R4, 0), asm.FnGetStack.Call()), "bpf_get_stack for other"},
		"stacks":                 {program(0, asm.Mov.Imm(asm.R4, 256), asm.FnGetStack.Call()), ""},
		"writes to the process":  {program(0, asm.FnProbeWriteUser.Call()), "bpf_probe_write_user"},
		"a tail call":            {program(0, asm.FnTailCall.Call()), "bpf_tail_call"},
		"a function handed over": {program(0, asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R1, Src: asm.PseudoFunc}.WithReference("end")), "function of its own"},
	} {
		ins, err := translate.Adopt(c.ins, constants)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err == nil && len(ins) != len(c.ins) {
			t.Errorf("%s: %d instructions of %d", name, len(ins), len(c.ins))
		}
	}
}

// Programs of random functions that call each other, give results, keep registers and use stack do what they do in the kernel.
func TestFunctionsDoWhatTheyDoInTheKernel(t *testing.T) {
	for seed := range uint64(*programs / 10) {
		r := rand.New(rand.NewPCG(*seedFlag+seed, 7))
		const functions = 5
		call := func(n int) asm.Instructions {
			var ins asm.Instructions
			for arg := asm.R1; arg <= asm.R5; arg++ {
				ins = append(ins, asm.Mov.Imm(arg, r.Int32()))
			}
			return append(ins, asm.Call.Label(fmt.Sprintf("f%d", n)))
		}
		ins := trial(append(append(call(0), asm.Add.Reg(asm.R0, asm.R6)), forget()...))
		number := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
		proto := &btf.FuncProto{Return: number}
		for i := range 5 {
			proto.Params = append(proto.Params, btf.FuncParam{Name: fmt.Sprint("p", i), Type: number})
		}
		ins[0] = btf.WithFuncMetadata(ins[0].WithSymbol("trial"), &btf.Func{Name: "trial", Type: proto, Linkage: btf.GlobalFunc})
		for n := range functions {
			first := len(ins)
			depth := -8 * int16(1+r.IntN(6))
			ins = append(ins, asm.Mov.Reg(asm.R6, asm.R2), asm.StoreMem(asm.R10, depth, asm.R1, asm.DWord), asm.Mov.Reg(asm.R8, asm.R4))
			for next := n + 1; next < functions; next++ {
				if r.IntN(3) == 0 {
					ins = append(ins, call(next)...)
					ins = append(ins, asm.Xor.Reg(asm.R6, asm.R0))
				}
			}
			ins = append(ins, asm.LoadMem(asm.R0, asm.R10, depth, asm.DWord), asm.Mul.Imm(asm.R6, 31), asm.Add.Reg(asm.R0, asm.R6), asm.Sub.Reg(asm.R0, asm.R8), asm.Return())
			name := fmt.Sprintf("f%d", n)
			ins[first] = btf.WithFuncMetadata(ins[first].WithSymbol(name), &btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc})
		}
		ins = reachable(ins)
		k, h := inKernel(t, ins), here(t, ins)
		block := make([]byte, blockSize)
		for i := range block {
			block[i] = byte(r.Uint32())
		}
		differ(t, fmt.Sprintf("-seed %d", seed), k.run(t, block), h.run(t, block))
	}
}

// Constant data may rule out the end of a program, whose last instruction jumps back.
func TestTheEndOfAProgramMayBeLeftOut(t *testing.T) {
	ins := append(fixedNumber(asm.R3, 0), asm.Mov.Imm(asm.R0, 5), asm.JNE.Imm(asm.R3, 0, "rest"), asm.Return().WithSymbol("out"),
		asm.Mov.Imm(asm.R0, 6).WithSymbol("rest"), asm.Ja.Label("out"))
	adopted, err := translate.Adopt(ins, constants)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := translate.Survey(adopted); err != nil {
		t.Error(err)
	}
}

// A function that gives nothing back, as C's void and Rust's () do, does what it does in the kernel.
func TestAFunctionMayGiveNothingBack(t *testing.T) {
	ins := trial(append(asm.Instructions{asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, stackTop-8), asm.Call.Label("store"), asm.Mov.Imm(asm.R0, 0)}, forget()...))
	number := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	ins[0] = btf.WithFuncMetadata(ins[0].WithSymbol("trial"), &btf.Func{Name: "trial", Type: &btf.FuncProto{Return: number}, Linkage: btf.GlobalFunc})
	proto := &btf.FuncProto{Return: &btf.Void{}, Params: []btf.FuncParam{{Name: "to", Type: &btf.Pointer{Target: number}}}}
	first := btf.WithFuncMetadata(asm.Mov.Imm(asm.R2, 77).WithSymbol("store"), &btf.Func{Name: "store", Type: proto, Linkage: btf.StaticFunc})
	ins = append(ins, first, asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord), asm.Return())
	k, h := inKernel(t, ins), here(t, ins)
	block := make([]byte, blockSize)
	differ(t, "a function without a result", k.run(t, block), h.run(t, block))
}

// reachable leaves out functions that nobody calls, which the kernel refuses.
func reachable(ins asm.Instructions) asm.Instructions {
	parts := map[string]asm.Instructions{}
	var order []string
	for _, in := range ins {
		if btf.FuncMetadata(&in) != nil {
			order = append(order, in.Symbol())
		}
		name := order[len(order)-1]
		parts[name] = append(parts[name], in)
	}
	called := map[string]bool{order[0]: true}
	var out asm.Instructions
	for _, name := range order { // callers come first
		if !called[name] {
			continue
		}
		for _, in := range parts[name] {
			if in.IsFunctionCall() {
				called[in.Reference()] = true
			}
		}
		out = append(out, parts[name]...)
	}
	return out
}
