//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/local"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A trial is a program that finds the address of a block of memory in a map, loads its registers from there, does what is tried out, and
// stores its registers there again:
//
//	block +0    r0 to r8, before and after
//	block +128  data for the program's loads and stores
//
// r9 is the address of the data, and r10 -16 to -144 are 16 words of the stack that begin as the data does.
const (
	blockSize = 512
	blockData = 128
	trialRegs = 9
	keepBlock = -8
	stackTop  = -16
	words     = 16
)

const blockMap = "block"

var blockSpec = shm.Spec{Name: blockMap, Kind: shm.Array, Key: 4, Value: blockSize, Entries: 1}

// trial wraps a body.
func trial(body asm.Instructions) asm.Instructions {
	ins := asm.Instructions{
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R9, Src: asm.PseudoMapValue}.WithReference(blockMap),
		asm.StoreMem(asm.R10, keepBlock, asm.R9, asm.DWord),
	}
	for w := range int16(words) {
		ins = append(ins, asm.LoadMem(asm.R0, asm.R9, blockData+8*w, asm.DWord), asm.StoreMem(asm.R10, stackTop-8*w-8, asm.R0, asm.DWord))
	}
	for r := asm.R0; r < trialRegs; r++ {
		ins = append(ins, asm.LoadMem(r, asm.R9, int16(8*r), asm.DWord))
	}
	ins = append(ins, asm.Add.Imm(asm.R9, blockData))
	ins = append(ins, body...)
	ins = append(ins, asm.LoadMem(asm.R9, asm.R10, keepBlock, asm.DWord).WithSymbol("out"))
	for r := asm.R0; r < trialRegs; r++ {
		ins = append(ins, asm.StoreMem(asm.R9, int16(8*r), r, asm.DWord))
	}
	for w := range int16(words) {
		ins = append(ins, asm.LoadMem(asm.R0, asm.R10, stackTop-8*w-8, asm.DWord), asm.StoreMem(asm.R9, blockData+8*(words+w), asm.R0, asm.DWord))
	}
	return append(ins, asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// kernelRun is a trial loaded into the kernel.
type kernelRun struct {
	maps map[string]*ebpf.Map
	prog *ebpf.Program
}

// inKernel loads a trial with the maps that it uses beside the block.
func inKernel(t testing.TB, ins asm.Instructions, maps ...shm.Spec) *kernelRun {
	t.Helper()
	fixture.NeedRoot(t)
	spec := &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{},
		Programs: map[string]*ebpf.ProgramSpec{"trial": {Name: "trial", Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, License: "GPL", Instructions: ins}},
	}
	for _, m := range append(maps, blockSpec) {
		ms := &ebpf.MapSpec{Name: m.Name, Type: ebpf.MapType(m.Kind), KeySize: uint32(m.Key), ValueSize: uint32(m.Value), MaxEntries: uint32(m.Entries)}
		if m.Kind == shm.Hash {
			ms.Flags = unix.BPF_F_NO_PREALLOC
		}
		spec.Maps[m.Name] = ms
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(coll.Close)
	return &kernelRun{coll.Maps, coll.Programs["trial"]}
}

func (k *kernelRun) run(t testing.TB, block []byte) []byte {
	t.Helper()
	if err := k.maps[blockMap].Put(uint32(0), block); err != nil {
		t.Fatal(err)
	}
	if _, err := k.prog.Run(&ebpf.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, blockSize)
	if err := k.maps[blockMap].Lookup(uint32(0), out); err != nil {
		t.Fatal(err)
	}
	return out
}

// place is shared memory of this process, and code that works on it.
type place struct {
	layout   *shm.Layout
	mem      []byte
	known    []byte // what never goes away
	context  []byte // of a hit
	slot     []byte
	space    *local.Space
	stack    *local.Stack
	routines *shm.Routines
	share    bool // threads count in the same values of arrays
}

// newPlace lays out maps in memory of this process.
func newPlace(t testing.TB, specs ...shm.Spec) *place {
	t.Helper()
	layout, err := shm.Lay(specs, 2)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{layout: layout, mem: anonymous(t, layout.Size), context: anonymous(t, shm.ContextSize), known: anonymous(t, shm.KnownSize), slot: anonymous(t, layout.SlotSize())}
	if p.space, err = local.Map(1 << 20); err != nil {
		t.Fatal(err)
	}
	if p.stack, err = local.NewStack(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.space.Close()
		p.stack.Close()
	})
	var code []byte
	if code, p.routines, err = layout.Routines(shm.Place{Base: p.space.Next(), Data: address(p.mem), Known: address(p.known)}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.space.PutBytes(code); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(p.context[shm.ContextSlot:], address(p.slot))
	return p
}

func anonymous(t testing.TB, size int) []byte {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	return mem
}

func (p *place) env() *translate.Env {
	return &translate.Env{Base: p.space.Next(), Data: address(p.mem), Layout: p.layout, Routines: p.routines}
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// add translates a program; it can be called once the space is sealed.
func (p *place) add(t testing.TB, ins asm.Instructions) uint64 {
	t.Helper()
	code, err := translate.Translate(ins, p.env())
	if err != nil {
		t.Fatal(err)
	}
	at, err := p.space.PutBytes(code)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// call runs a program of the place, as for a hit.
func (p *place) call(entry uint64) uint64 { return p.space.Call(p.stack, entry, address(p.context)) }

// hereRun is a trial translated.
type hereRun struct {
	*place
	entry uint64
}

func here(t testing.TB, ins asm.Instructions, maps ...shm.Spec) *hereRun {
	t.Helper()
	h := &hereRun{place: newPlace(t, append(maps, blockSpec)...)}
	h.entry = h.add(t, ins)
	if err := h.space.Seal(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hereRun) run(t testing.TB, block []byte) []byte {
	t.Helper()
	m := h.layout.Map(blockMap)
	mem := h.mem[m.Data:][:blockSize]
	copy(mem, block)
	if got := h.call(h.entry); uint32(got) != 0 {
		t.Fatalf("the program returns %#x", got)
	}
	return append([]byte(nil), mem...)
}
