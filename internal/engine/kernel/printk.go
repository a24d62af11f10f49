package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
)

// printk reads the lines that programs write by bpf_printk. The kernel puts the lines of all programs of the machine together; which ones
// are of ours the kernel's stack at the moment of writing tells, because it passes through their code. Nothing is taken away from others who
// read /sys/kernel/tracing/trace_pipe.
type printk struct {
	prog  *ebpf.Program
	link  int
	ring  *ring
	spans []span // where our programs lie, none when the kernel does not say
}

// span is the code of a function from its first byte up to its end.
type span struct{ from, to uint64 }

const printkKey = guardPrefix + "printk"

// addPrintk adds the program that listens, if any program of the object writes lines and the kernel has the tracepoint.
func (s *Object) addPrintk(spec *ebpf.CollectionSpec, f codegen.Features) error {
	writes := false
	for _, a := range s.Armed {
		writes = writes || slices.ContainsFunc(spec.Programs[a.Name].Instructions, writesLine)
	}
	if !writes || !hasTracepoint(codegen.PrintkPoint) {
		return nil
	}
	prog, ring, err := codegen.NewPrintk(f, guardPrefix)
	if err != nil {
		return err
	}
	prog.Name = inKernelName(prog.Name)
	spec.Programs[printkKey], spec.Maps[ring.Name] = prog, ownMap(ring)
	s.printk = &printk{link: -1}
	return nil
}

func writesLine(ins asm.Instruction) bool {
	return ins.IsBuiltinCall() && (ins.Constant == int64(asm.FnTracePrintk) || ins.Constant == int64(asm.FnTraceVprintk))
}

// hasTracepoint asks for a raw tracepoint by name (that of bpf_printk came with Linux 5.9).
func hasTracepoint(name string) bool {
	fd, err := trial{kind: ebpf.RawTracepoint, code: nothing()}.load()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	link, err := openRawTracepoint(name, fd)
	if err == nil {
		unix.Close(link)
	}
	return err == nil
}

// open maps the ring and finds out where the object's programs lie.
func (p *printk) open(loaded *ebpf.Collection) (err error) {
	p.prog = loaded.Programs[printkKey]
	if p.ring, err = openRing(loaded.Maps[guardPrefix+codegen.PrintkMap]); err != nil {
		return fmt.Errorf("ring of lines: %w", err)
	}
	for name, prog := range loaded.Programs {
		if len(name) >= len(guardPrefix) && name[:len(guardPrefix)] == guardPrefix {
			continue
		}
		info, err := prog.Info()
		if err != nil {
			continue
		}
		starts, _ := info.JitedKsymAddrs()
		lengths, _ := info.JitedFuncLens()
		for i := range min(len(starts), len(lengths)) {
			if starts[i] != 0 {
				p.spans = append(p.spans, span{uint64(starts[i]), uint64(starts[i]) + uint64(lengths[i])})
			}
		}
	}
	return nil
}

func (p *printk) arm() (err error) {
	p.link, err = openRawTracepoint(codegen.PrintkPoint, p.prog.FD())
	return err
}

func (p *printk) disarm() {
	if p.link >= 0 {
		unix.Close(p.link)
		p.link = -1
	}
}

func (p *printk) close() error {
	if p.ring == nil {
		return nil
	}
	return p.ring.close()
}

// read hands over the lines of our programs; where the kernel hides addresses, those of all.
func (p *printk) read(fn func([]byte)) error {
	return p.ring.read(time.Now(), func(record []byte) {
		if len(p.spans) > 0 && !p.ours(record[codegen.PrintkStack:]) {
			return
		}
		fn(record[:codegen.PrintkStack])
	})
}

// ours reports whether a stack passes through our programs.
func (p *printk) ours(stack []byte) bool {
	for i := 0; i+8 <= len(stack); i += 8 {
		pc := binary.NativeEndian.Uint64(stack[i:])
		if slices.ContainsFunc(p.spans, func(s span) bool { return pc > s.from && pc <= s.to }) {
			return true
		}
	}
	return false
}
