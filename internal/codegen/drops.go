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
func CountDrops(code asm.Instructions, prefix string) (asm.Instructions, error) {
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
			body, err := counted(fn, prefix)
			if err != nil {
				return nil, err
			}
			out = append(out, described(body, name, &code[0])...)
		}
	}
	return out, nil
}

// counted calls the helper and counts when it fails: reserve gives NULL, output a negative number.
func counted(fn asm.BuiltinFunc, prefix string) (asm.Instructions, error) {
	c := &compiler{used: map[string]bool{}}
	e := &emitter{}
	there, failed := e.label(), e.label()
	e.call(fn)
	if fn == asm.FnRingbufReserve {
		e.jumpImm(asm.JNE, asm.R0, 0, there)
	} else {
		e.jumpImm(asm.JSGE, asm.R0, 0, there)
	}
	e.mov(regScratch, asm.R0)
	e.findStats(c, place{asm.R10, -8}, failed)
	e.imm(asm.R1, 1)
	e.atomicAdd(place{regStats, 8 * int(plan.CountLostRing)}, asm.R1)
	e.place(failed)
	e.mov(asm.R0, regScratch)
	e.place(there)
	e.emit(asm.Return())
	return prefixed(e.ins, prefix), e.finish()
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
