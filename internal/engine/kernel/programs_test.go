package kernel

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// The programs of these tests are written by hand, so that the engine is tried apart from codegen. Each hit is counted and
// sent as a record of three words:
//
//	cookie, thread group and thread, 1 at a return
const handRecord = 24

// handMade is a plan and a program for it.
type handMade struct {
	plan plan.Plan
	code codegen.Program
}

// observe builds a probe at the entries of functions of an object, and at their returns if asked for.
func observe(multi bool, ringSize uint32, object string, returns bool, sites ...symbolSite) *handMade {
	h := &handMade{}
	h.plan.Objects = []plan.Object{{Path: object, Open: object}}
	h.code.Maps = []*ebpf.MapSpec{
		{Name: codegen.RingMap, Type: ebpf.RingBuf, MaxEntries: ringSize},
		{Name: codegen.StatsMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8 * uint32(plan.Counters), MaxEntries: 1},
	}
	h.probe(multi, plan.Entry, site.Entry, codegen.EntryPart, sites)
	if returns {
		h.probe(multi, plan.Return, site.Trampoline, codegen.TrampolinePart, sites)
	}
	return h
}

func (h *handMade) probe(multi bool, kind plan.ProbeKind, role site.Role, part codegen.Part, sites []symbolSite) {
	p := plan.Probe{Kind: kind, Name: "uprobe:test", Bodies: []plan.Body{{}}}
	for _, s := range sites {
		fn := len(h.plan.Functions)
		h.plan.Functions = append(h.plan.Functions, plan.Function{Name: s.name})
		p.Sites = append(p.Sites, plan.Site{Function: fn, Addr: s.addr, Offset: s.offset, Choice: site.Choice{Role: role}})
	}
	h.plan.Probes = append(h.plan.Probes, p)
	spec := &ebpf.ProgramSpec{
		Name: fmt.Sprintf("t%d", os.Getpid()), Type: ebpf.Kprobe, License: "GPL", Instructions: sender(part == codegen.TrampolinePart),
	}
	if multi {
		spec.AttachType = ebpf.AttachTraceUprobeMulti
	}
	h.code.Progs = append(h.code.Progs, codegen.Prog{Spec: spec, Probe: len(h.plan.Probes) - 1, Part: part, To: 1})
}

// count adds 1 to a counter of the array that r7 points at.
func count(c plan.Counter) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R7, int16(8*c), asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, int16(8*c), asm.R1, asm.DWord),
	}
}

// sender is the program: r6 context, r7 counters.
func sender(isReturn bool) asm.Instructions {
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference(codegen.StatsMap),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R7, asm.R0),
	}
	value := int32(1)
	if !isReturn {
		code = append(code, count(plan.CountHits)...)
		value = 0
	}
	code = append(code,
		asm.Mov.Imm(asm.R1, value), asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6), asm.FnGetAttachCookie.Call(),
		asm.StoreMem(asm.RFP, -24, asm.R0, asm.DWord),
		asm.FnGetCurrentPidTgid.Call(),
		asm.StoreMem(asm.RFP, -16, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, 0).WithReference(codegen.RingMap),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -handRecord),
		asm.Mov.Imm(asm.R3, handRecord),
		asm.Mov.Imm(asm.R4, 1), // BPF_RB_NO_WAKEUP
		asm.FnRingbufOutput.Call(),
		asm.JNE.Imm(asm.R0, 0, "lost"),
	)
	code = append(code, count(plan.CountEvents)...)
	code = append(code, asm.Ja.Label("out"))
	lost := count(plan.CountLostRing)
	lost[0] = lost[0].WithSymbol("lost")
	code = append(code, lost...)
	return append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return())
}

// symbolSite is an address of an object.
type symbolSite struct {
	name   string
	addr   symbol.Addr
	offset symbol.Offset
}

// sitesOf finds functions in an object's symbol table.
func sitesOf(t *testing.T, path string, names ...string) []symbolSite {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[string]uint64{}
	for _, s := range symbols {
		addrs[s.Name] = s.Value
	}
	var sites []symbolSite
	for _, name := range names {
		for _, p := range file.Progs {
			if addr, ok := addrs[name]; ok && p.Type == elf.PT_LOAD && p.Vaddr <= addr && addr < p.Vaddr+p.Filesz {
				sites = append(sites, symbolSite{name, symbol.Addr(addr), symbol.Offset(addr - p.Vaddr + p.Off)})
			}
		}
	}
	if len(sites) != len(names) {
		t.Fatalf("%d of the functions %v are in %s", len(sites), names, path)
	}
	return sites
}

func open(t *testing.T, h *handMade) *Session {
	t.Helper()
	s, err := Open(&h.plan, &h.code)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func arm(t *testing.T, s *Session) []plan.Refusal {
	t.Helper()
	refusals, err := s.Arm()
	if err != nil {
		t.Fatal(err)
	}
	return refusals
}

// record is what sender sent.
type record struct {
	cookie   uint64
	pid, tid uint32
	isReturn bool
}

// records drains the ring.
func records(t *testing.T, s *Session) []record {
	t.Helper()
	var all []record
	err := s.Read(time.Time{}, func(b []byte) {
		word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
		all = append(all, record{word(0), uint32(word(1) >> 32), uint32(word(1)), word(2) == 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// eachRoad runs a test with uprobe_multi links and with single ones.
func eachRoad(t *testing.T, fn func(t *testing.T, multi bool)) {
	fixture.NeedRoot(t)
	t.Run("multi", func(t *testing.T) {
		if !hasMulti() {
			t.Skip("refused: this kernel has no uprobe_multi")
		}
		fn(t, true)
	})
	t.Run("single", func(t *testing.T) { fn(t, false) })
}
