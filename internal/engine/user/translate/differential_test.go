//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"
)

var (
	programs = flag.Int("programs", 150, "random programs per run")
	seedFlag = flag.Uint64("seed", 0, "the program to begin with")
)

// edges are numbers at which operations change their behaviour.
var edges = []uint64{0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
	0x80000001, 0xffffffff, 0x100000000, 0x123456789abcdef0, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, ^uint64(0), ^uint64(1),
	0xffffffff00000000, 0xffffffff80000000, 0xfffffffeffffffff}

func pick(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return r.Uint64()
	case 1:
		return uint64(int64(int32(r.Uint32())))
	}
	return edges[r.IntN(len(edges))]
}

func pickImm(r *rand.Rand) int32 { return int32(pick(r)) }

// input fills a block.
func input(r *rand.Rand) []byte {
	block := make([]byte, blockSize)
	for i := 0; i < blockSize; i += 8 {
		binary.LittleEndian.PutUint64(block[i:], pick(r))
	}
	return block
}

// compare runs a trial in the kernel and here, on the same inputs.
func compare(t *testing.T, name string, body asm.Instructions, inputs [][]byte) {
	t.Helper()
	ins := trial(body)
	k, h := inKernel(t, ins), here(t, ins)
	for _, in := range inputs {
		want, got := k.run(t, in), h.run(t, in)
		if string(want) == string(got) {
			continue
		}
		for i := 0; i < blockSize; i += 8 {
			if w, g := binary.LittleEndian.Uint64(want[i:]), binary.LittleEndian.Uint64(got[i:]); w != g {
				t.Errorf("%s: word %d is %#x, the kernel has %#x (before %#x)", name, i/8, g, w, binary.LittleEndian.Uint64(in[i:]))
			}
		}
		t.Fatalf("%s: program\n%v", name, body)
	}
}

func TestRandomProgramsDoWhatTheyDoInTheKernel(t *testing.T) {
	for i := range uint64(*programs) {
		seed := *seedFlag + i
		r := rand.New(rand.NewPCG(seed, 1))
		g := &generator{r: r}
		body := g.program(10 + r.IntN(60))
		inputs := make([][]byte, 12)
		for j := range inputs {
			inputs[j] = input(r)
		}
		compare(t, fmt.Sprintf("-seed %d", seed), body, inputs)
		if t.Failed() {
			return
		}
	}
}

// generator makes programs that the verifier takes: jumps go forward, memory is at fixed places.
type generator struct {
	r    *rand.Rand
	ins  asm.Instructions
	jump []int // instructions whose targets are open
}

func (g *generator) reg() asm.Register { return asm.Register(g.r.IntN(trialRegs)) }

func (g *generator) program(n int) asm.Instructions {
	branches := 0
	for len(g.ins) < n {
		switch k := g.r.IntN(100); {
		case k < 55:
			g.add(g.alu())
		case k < 75:
			g.add(g.memory())
		case k < 87:
			g.add(g.atomic())
		case branches < 14:
			branches++
			g.branch()
		}
	}
	return g.ins
}

func (g *generator) add(ins asm.Instruction) { g.ins = append(g.ins, ins) }

// branch jumps over some of what follows, in one of three ways.
func (g *generator) branch() {
	name := fmt.Sprintf("l%d", len(g.ins))
	ops := []asm.JumpOp{asm.JEq, asm.JNE, asm.JGT, asm.JGE, asm.JLT, asm.JLE, asm.JSGT, asm.JSGE, asm.JSLT, asm.JSLE, asm.JSet}
	op := ops[g.r.IntN(len(ops))]
	var ins asm.Instruction
	switch g.r.IntN(4) {
	case 0:
		ins = op.Imm(g.reg(), pickImm(g.r), name)
	case 1:
		ins = op.Imm32(g.reg(), pickImm(g.r), name)
	case 2:
		ins = op.Reg(g.reg(), g.reg(), name)
	default:
		ins = op.Reg32(g.reg(), g.reg(), name)
	}
	g.add(ins)
	over := 1 + g.r.IntN(6)
	if g.r.IntN(4) == 0 { // if, else: the first part ends with a jump over the second
		g.body(over)
		end := name + "e"
		jump := asm.Ja.Label(end)
		if g.r.IntN(2) == 0 {
			jump = asm.LongJump(end)
		}
		g.add(jump)
		g.labelled(name)
		g.body(over)
		g.labelled(end)
		return
	}
	g.body(over)
	g.labelled(name)
}

func (g *generator) body(n int) {
	for range n {
		if g.r.IntN(3) == 0 {
			g.add(g.memory())
		} else {
			g.add(g.alu())
		}
	}
}

// labelled puts a label on an instruction.
func (g *generator) labelled(name string) { g.add(g.alu().WithSymbol(name)) }

func (g *generator) alu() asm.Instruction {
	ops := []asm.ALUOp{asm.Add, asm.Sub, asm.Mul, asm.Div, asm.SDiv, asm.Or, asm.And, asm.LSh, asm.RSh, asm.Mod, asm.SMod, asm.Xor, asm.Mov,
		asm.MovSX8, asm.MovSX16, asm.MovSX32, asm.ArSh, asm.Neg, asm.Swap}
	op := ops[g.r.IntN(len(ops))]
	wide := g.r.IntN(2) == 0
	return operation(op, wide, g.r.IntN(2) == 0, g.reg(), g.reg(), pickImm(g.r), g.r.IntN(6))
}

// operation makes a valid instruction of an operation.
func operation(op asm.ALUOp, wide, fromReg bool, dst, src asm.Register, imm int32, variant int) asm.Instruction {
	switch op {
	case asm.Neg:
		fromReg, imm = false, 0
	case asm.Swap:
		size := []asm.Size{asm.Half, asm.Word, asm.DWord}[variant%3]
		switch {
		case wide:
			return asm.BSwap(dst, size)
		case fromReg:
			return asm.HostTo(asm.BE, dst, size)
		}
		return asm.HostTo(asm.LE, dst, size)
	case asm.MovSX8, asm.MovSX16, asm.MovSX32:
		fromReg = true
		wide = wide || op == asm.MovSX32
	case asm.LSh, asm.RSh, asm.ArSh:
		imm &= 31
		if wide {
			imm = imm*2 + int32(variant&1)
		}
	case asm.Div, asm.SDiv, asm.Mod, asm.SMod:
		if imm == 0 {
			imm = -1
		}
	}
	switch {
	case wide && fromReg:
		return op.Reg(dst, src)
	case wide:
		return op.Imm(dst, imm)
	case fromReg:
		return op.Reg32(dst, src)
	}
	return op.Imm32(dst, imm)
}

var memSizes = []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord}

// spot chooses a place in the data or on the stack, aligned to a size.
func (g *generator) spot(size asm.Size) (asm.Register, int16) {
	n := size.Sizeof()
	at := int16(g.r.IntN(8*words/n) * n)
	if g.r.IntN(2) == 0 {
		return asm.R9, at
	}
	return asm.R10, stackTop - 8*words + at
}

func (g *generator) memory() asm.Instruction {
	size := memSizes[g.r.IntN(4)]
	base, at := g.spot(size)
	switch g.r.IntN(7) {
	case 0, 1:
		return asm.LoadMem(g.reg(), base, at, size)
	case 2:
		if size != asm.DWord {
			return asm.LoadMemSX(g.reg(), base, at, size)
		}
		return asm.LoadMem(g.reg(), base, at, size)
	case 3:
		return asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: base, Offset: at, Constant: int64(pickImm(g.r))}
	case 4:
		return fixed(asm.LoadAcquire(g.reg(), base, size, at))
	case 5:
		return fixed(asm.StoreRelease(base, g.reg(), size, at))
	}
	return asm.StoreMem(base, at, g.reg(), size)
}

// fixed writes the operation in the constant too, which is what cilium/ebpf 0.22 encodes.
func fixed(ins asm.Instruction) asm.Instruction {
	ins.Constant = int64(ins.OpCode.AtomicOp() >> 8)
	return ins
}

var atomics = []asm.AtomicOp{asm.AddAtomic, asm.FetchAdd, asm.AndAtomic, asm.FetchAnd, asm.OrAtomic, asm.FetchOr, asm.XorAtomic, asm.FetchXor,
	asm.Xchg, asm.CmpXchg}

func (g *generator) atomic() asm.Instruction {
	size := memSizes[2+g.r.IntN(2)]
	base, at := g.spot(size)
	return fixed(atomics[g.r.IntN(len(atomics))].Mem(base, g.reg(), size, at))
}

// Each operation alone, on every pair of edge values, in registers that the machine treats differently: r0 and r3 take part in
// divisions, r4 holds counts of shifts.
func TestEachOperationOnEdgeValues(t *testing.T) {
	ops := []asm.ALUOp{asm.Add, asm.Sub, asm.Mul, asm.Div, asm.SDiv, asm.Or, asm.And, asm.LSh, asm.RSh, asm.Mod, asm.SMod, asm.Xor, asm.Mov,
		asm.MovSX8, asm.MovSX16, asm.MovSX32, asm.ArSh, asm.Neg, asm.Swap}
	pairs := [][2]asm.Register{{0, 3}, {3, 0}, {4, 1}, {1, 4}, {4, 4}, {0, 0}, {3, 3}, {7, 8}, {0, 4}, {4, 0}, {6, 6}}
	var inputs [][]byte
	for _, a := range edges {
		for _, b := range edges {
			block := make([]byte, blockSize)
			for r := range trialRegs {
				v := a
				if r == 1 || r == 3 || r == 8 || r == 4 && b&1 == 0 {
					v = b
				}
				binary.LittleEndian.PutUint64(block[8*r:], v)
			}
			inputs = append(inputs, block)
		}
	}
	for _, op := range ops {
		for _, wide := range []bool{true, false} {
			var body asm.Instructions
			at := int16(0)
			keep := func(dst asm.Register, ins asm.Instruction) {
				// From the same start each time; results go to memory.
				body = append(body, asm.StoreMem(asm.R10, stackTop-8, asm.R0, asm.DWord), asm.StoreMem(asm.R10, stackTop-16, dst, asm.DWord), ins)
				body = append(body, asm.StoreMem(asm.R9, at, dst, asm.DWord), asm.LoadMem(dst, asm.R10, stackTop-16, asm.DWord))
				at += 8
			}
			for i, p := range pairs {
				keep(p[0], operation(op, wide, true, p[0], p[1], 0, i))
			}
			for i, imm := range []int32{1, -1, 7, -2147483648, 2147483647} {
				keep(asm.Register(i), operation(op, wide, false, asm.Register(i), 0, imm, i))
			}
			compare(t, fmt.Sprintf("%v wide %v", op, wide), body, inputs)
		}
	}
}
