package codegen

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// The record of a line that some program wrote by bpf_trace_printk, as the program of NewPrintk sends it: a header as package object
// draws it, the text, and the kernel's stack, by which an engine tells whose program that was.
const (
	PrintkMap    = "printk" // RINGBUF
	PrintkPoint  = "bpf_trace_printk"
	printkMark   = 0xffffffff // object.FromPrintk
	printkText   = 40         // object.PrintkText
	printkLength = 1024       // MAX_BPRINTF_BUF of kernel/trace/bpf_trace.c
	PrintkStack  = printkText + printkLength
	PrintkFrames = 24
	printkSize   = PrintkStack + 8*PrintkFrames
	printkRing   = 1 << 20
)

// NewPrintk writes the program on the raw tracepoint of bpf_trace_printk, and its map; names of maps begin with the prefix. A line that the ring has
// no room for is counted as lost, in the counters of the guard.
func NewPrintk(f Features, prefix string) (*ebpf.ProgramSpec, *ebpf.MapSpec, error) {
	c := &compiler{f: f, used: map[string]bool{}}
	e := &emitter{}
	full, out := e.label(), e.label()
	e.mov(regCtx, asm.R1)
	c.identity(e)
	e.mapPtr(asm.R1, PrintkMap)
	e.imm(asm.R2, printkSize)
	e.imm(asm.R3, 0)
	e.call(asm.FnRingbufReserve)
	e.jumpImm(asm.JEq, asm.R0, 0, full)
	e.mov(regScratch, asm.R0)
	to := func(at int) place { return place{regScratch, at} }
	e.imm(asm.R1, printkMark)
	e.store(to(0), asm.R1, asm.DWord)
	e.call(asm.FnKtimeGetNs)
	e.store(to(8), asm.R0, asm.DWord)
	e.load(asm.R0, identityPlace(), asm.DWord)
	e.store(to(16), asm.R0, asm.DWord)
	e.addr(asm.R1, to(24))
	e.imm(asm.R2, printkText-24)
	e.call(asm.FnGetCurrentComm)
	e.storeImm(to(printkText), 0, asm.Byte)
	e.addr(asm.R1, to(printkText))
	e.imm(asm.R2, printkLength)
	e.load(asm.R3, place{regCtx, 0}, asm.DWord)
	e.call(asm.FnProbeReadKernelStr)
	for i := range PrintkFrames {
		e.storeImm(to(PrintkStack+8*i), 0, asm.DWord)
	}
	e.mov(asm.R1, regCtx)
	e.addr(asm.R2, to(PrintkStack))
	e.imm(asm.R3, 8*PrintkFrames)
	e.imm(asm.R4, 0)
	e.call(asm.FnGetStack)
	e.mov(asm.R1, regScratch)
	e.imm(asm.R2, 0)
	e.call(asm.FnRingbufSubmit)
	e.jump(out)
	e.place(full)
	e.findStats(c, nowPlace(), out)
	e.imm(asm.R1, 1)
	e.atomicAdd(place{regStats, 8 * int(plan.CountLostRing)}, asm.R1)
	e.place(out)
	e.exit()
	if err := e.finish(); err != nil {
		return nil, nil, err
	}
	spec := &ebpf.ProgramSpec{Name: "printk", Type: ebpf.RawTracepoint, License: "GPL", Instructions: prefixed(e.ins, prefix)}
	return spec, &ebpf.MapSpec{Name: prefix + PrintkMap, Type: ebpf.RingBuf, MaxEntries: printkRing}, nil
}
