package codegen

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/plan"
)

// A ring buffer does not count what it has no room for: only the program that wanted to write is told. So the calls of the two helpers that
// write to it become calls of functions that call them, count a refusal in the guard's counters, and give back what the helper gave. The
// kernel's verifier follows such a call with all that it knows of the arguments and the result, as if the helper were called there.
const (
	reserveFunction = "sonde_reserve"
	outputFunction  = "sonde_output"
)

// CountDrops gives the program with its writes to ring buffers counted where they fail. What it writes to is not changed.
//
// Unseen hides from the verifier that the function has compared what it gives back with NULL. Kernels before 6.4 follow both ways of the program's
// own comparison whatever they know, and find on the impossible one, where the pointer is not NULL, that what was reserved is not given back.
func CountDrops(code asm.Instructions, prefix string, unseen bool) (asm.Instructions, error) {
	out := append(asm.Instructions(nil), code...)
	used := map[asm.BuiltinFunc]string{}
	for i, ins := range out {
		if !ins.IsBuiltinCall() {
			continue
		}
		switch fn := asm.BuiltinFunc(ins.Constant); fn {
		case asm.FnRingbufReserve:
			used[fn] = reserveFunction
		case asm.FnRingbufOutput:
			used[fn] = outputFunction
		default:
			continue
		}
		ins.Src, ins.Constant = asm.PseudoCall, -1
		out[i] = ins.WithReference(used[asm.BuiltinFunc(code[i].Constant)])
	}
	for _, fn := range []asm.BuiltinFunc{asm.FnRingbufReserve, asm.FnRingbufOutput} {
		if name := used[fn]; name != "" {
			body, err := counted(fn, prefix, unseen && fn == asm.FnRingbufReserve)
			if err != nil {
				return nil, err
			}
			out = append(out, described(body, name, &code[0])...)
		}
	}
	return out, nil
}

// counted calls the helper and counts when it fails: reserve gives NULL, output a negative number.
func counted(fn asm.BuiltinFunc, prefix string, unseen bool) (asm.Instructions, error) {
	c := &compiler{used: map[string]bool{}}
	e := &emitter{}
	there := e.label()
	e.call(fn)
	e.mov(regScratch, asm.R0)
	if unseen {
		e.copyUnseen(asm.R0)
	}
	if fn == asm.FnRingbufReserve {
		e.jumpImm(asm.JNE, asm.R0, 0, there)
	} else {
		e.jumpImm(asm.JSGE, asm.R0, 0, there)
	}
	e.findStats(c, place{asm.R10, -8}, there)
	e.imm(asm.R1, 1)
	e.atomicAdd(place{regStats, 8 * int(plan.CountLostRing)}, asm.R1)
	e.place(there)
	e.mov(asm.R0, regScratch)
	e.emit(asm.Return())
	return prefixed(e.ins, prefix), e.finish()
}

// copyUnseen turns a pointer into a number of which the verifier knows nothing: it is stored, and read by a function that may read anything.
func (e *emitter) copyUnseen(reg asm.Register) {
	e.store(place{asm.R10, -16}, reg, asm.DWord)
	e.addr(asm.R1, place{asm.R10, -8})
	e.imm(asm.R2, 8)
	e.addr(asm.R3, place{asm.R10, -16})
	e.call(asm.FnProbeReadKernel)
	e.load(reg, place{asm.R10, -8}, asm.DWord)
}

// described names the function, and gives it a type and a line where the program's other functions have them: the kernel wants both for all
// functions or for none.
func described(body asm.Instructions, name string, first *asm.Instruction) asm.Instructions {
	body[0] = body[0].WithSymbol(name)
	if source := first.Source(); source != nil {
		body[0] = body[0].WithSource(source)
	}
	if btf.FuncMetadata(first) == nil {
		return body
	}
	number := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	proto := &btf.FuncProto{Return: number}
	for _, param := range []string{"a", "b", "c", "d"} {
		proto.Params = append(proto.Params, btf.FuncParam{Name: param, Type: number})
	}
	body[0] = btf.WithFuncMetadata(body[0], &btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc})
	return body
}
