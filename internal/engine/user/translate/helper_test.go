//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// forget sets the registers that a call loses.
func forget() asm.Instructions {
	var ins asm.Instructions
	for r := asm.R1; r <= asm.R5; r++ {
		ins = append(ins, asm.Mov.Imm(r, 0))
	}
	return ins
}

func mapPtr(dst asm.Register, name string) asm.Instruction {
	return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: dst, Src: asm.PseudoMapFD}.WithReference(name)
}

func words64(b []byte) []uint64 {
	list := make([]uint64, len(b)/8)
	for i := range list {
		list[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return list
}

// differ names the words in which two blocks differ.
func differ(t *testing.T, name string, want, got []byte) {
	t.Helper()
	w, g := words64(want), words64(got)
	for i := range w {
		if w[i] != g[i] {
			t.Errorf("%s: word %d is %#x, the kernel has %#x", name, i, g[i], w[i])
		}
	}
}

// Reads of memory that is there, that is not there, and that ends in the middle, at pointers of all kinds.
func TestReadsOfMemoryGiveWhatTheKernelGives(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	page := unix.Getpagesize()
	mem := anonymous(t, 3*page)
	if err := unix.Mprotect(mem[2*page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	copy(mem[page-20:], "a text that goes over the end of a page")
	copy(mem[2*page-9:], "to an end")
	mem[2*page-1] = 0
	copy(mem[100:], "short")
	copy(mem[2*page-300:], strings.Repeat("x", 100))
	at := address(mem)
	pointers := map[string]uint64{"text": at + 100, "empty": at + 300, "over a page": at + uint64(page) - 20, "to the end": at + uint64(2*page) - 9,
		"over the end": at + uint64(2*page) - 3, "not there": at + uint64(2*page), "null": 0, "low": 8, "kernel": 0xffff888000000000,
		"no address": 0x8000000000000000, "top": ^uint64(0), "long": at + uint64(2*page) - 300}
	for _, size := range []int32{1, 2, 7, 8, 9, 16, 40, 64, 120} {
		for _, helper := range []asm.BuiltinFunc{asm.FnProbeReadUser, asm.FnCopyFromUser, asm.FnProbeReadUserStr} {
			body := asm.Instructions{
				asm.Mov.Reg(asm.R1, asm.R9),
				asm.Mov.Imm(asm.R2, size),
				asm.Mov.Reg(asm.R3, asm.R6),
				helper.Call(),
			}
			ins := trial(append(body, forget()...))
			k, h := inKernel(t, ins), here(t, ins)
			for _, known := range []string{"nothing", "stack", "first stack", "range"} {
				h.know(t, known, mem[:2*page])
				for name, p := range pointers {
					block := make([]byte, blockSize)
					for i := range words {
						binary.LittleEndian.PutUint64(block[blockData+8*i:], 0) // what lies behind a NUL may be cleared or not
					}
					binary.LittleEndian.PutUint64(block[8*6:], p)
					differ(t, fmt.Sprintf("%v %s, %d bytes, known %s", helper, name, size, known), k.run(t, block), h.run(t, block))
				}
			}
		}
	}
}

// know lays the pages of a read into the stack of the thread, or into a range that is always there.
func (h *hereRun) know(t *testing.T, how string, mem []byte) {
	t.Helper()
	low, high := uint64(0), uint64(0)
	var ranges []shm.Range
	var first shm.Range
	binary.LittleEndian.PutUint64(h.context[shm.ContextRSP:], address(mem))
	start, end := address(mem), address(mem)+uint64(len(mem))
	switch how {
	case "stack":
		low, high = start, end
	case "first stack":
		first = shm.Range{Start: start - 1, End: end}
	case "range":
		ranges = []shm.Range{{Start: 16, End: 32}, {Start: start, End: end}}
	}
	binary.LittleEndian.PutUint64(h.slot[shm.SlotLow:], low)
	binary.LittleEndian.PutUint64(h.slot[shm.SlotHigh:], high)
	clear(h.known)
	shm.SetStack(h.known, first)
	if err := shm.SetRanges(h.known, ranges); err != nil {
		t.Fatal(err)
	}
}

// Who runs is told as the kernel tells it.
func TestThreadsAreToldAsTheKernelTells(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, body := range map[string]asm.Instructions{
		"pid_tgid": {asm.FnGetCurrentPidTgid.Call()},
		"uid_gid":  {asm.FnGetCurrentUidGid.Call()},
		"comm":     {asm.Mov.Reg(asm.R1, asm.R9), asm.Mov.Imm(asm.R2, 16), asm.FnGetCurrentComm.Call()},
		"comm 5":   {asm.Mov.Reg(asm.R1, asm.R9), asm.Mov.Imm(asm.R2, 5), asm.FnGetCurrentComm.Call()},
		"comm 32":  {asm.Mov.Reg(asm.R1, asm.R9), asm.Mov.Imm(asm.R2, 32), asm.FnGetCurrentComm.Call()},
	} {
		ins := trial(append(body, forget()...))
		k, h := inKernel(t, ins), here(t, ins)
		for _, thread := range []string{"a", "sixteen letters", "short"} {
			if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&append([]byte(thread), 0)[0])), 0, 0, 0); err != nil {
				t.Fatal(err)
			}
			block := make([]byte, blockSize)
			differ(t, name, k.run(t, block), h.run(t, block))
		}
	}
}

// tables are the maps of random operations: of each size of key and value once, and small enough to be full.
var tables = []shm.Spec{
	{Name: "h4", Kind: shm.Hash, Key: 4, Value: 8, Entries: 6},
	{Name: "h8", Kind: shm.Hash, Key: 8, Value: 24, Entries: 5},
	{Name: "h12", Kind: shm.Hash, Key: 12, Value: 4, Entries: 7},
	{Name: "h24", Kind: shm.Hash, Key: 24, Value: 100, Entries: 4},
	{Name: "h7", Kind: shm.Hash, Key: 7, Value: 13, Entries: 8},
	{Name: "array", Kind: shm.Array, Key: 4, Value: 16, Entries: 5},
	{Name: "one", Kind: shm.Array, Key: 4, Value: 8, Entries: 1},
	{Name: "percpu", Kind: shm.PerCPUArray, Key: 4, Value: 16, Entries: 5},
}

// storeImm is asm.StoreImm of all sizes.
func storeImm(base asm.Register, off int16, v int64, size asm.Size) asm.Instruction {
	return asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: base, Offset: off, Constant: v}
}

// mapProgram does random operations on tables with few keys, and mixes what they answer into r6.
func mapProgram(r *rand.Rand) asm.Instructions {
	const key, value = -176, -288
	ins := asm.Instructions{asm.Mov.Imm(asm.R6, 0)}
	for off := int16(value); off < key+32; off += 8 {
		ins = append(ins, storeImm(asm.R10, off, 0, asm.DWord))
	}
	for i := range 20 + r.IntN(30) {
		m := tables[r.IntN(len(tables))]
		ins = append(ins, storeImm(asm.R10, key, int64(r.IntN(9)), asm.Word))
		if m.Key > 4 {
			ins = append(ins, storeImm(asm.R10, key+int16(m.Key)-1, int64(r.IntN(2)), asm.Byte))
		}
		ins = append(ins, storeImm(asm.R10, value, int64(r.Int32()), asm.DWord), storeImm(asm.R10, value+int16(m.Value)-1, int64(r.IntN(100)), asm.Byte))
		next := fmt.Sprintf("n%d", i)
		ins = append(ins, mapPtr(asm.R1, m.Name), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, key))
		switch k := r.IntN(10); {
		case k < 5:
			ins = append(ins, asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, value), asm.Mov.Imm(asm.R4, int32(r.IntN(3))), asm.FnMapUpdateElem.Call())
		case m.Kind == shm.Hash && k < 7:
			ins = append(ins, asm.FnMapDeleteElem.Call())
		default:
			ins = append(ins, asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, next), asm.Mov.Imm(asm.R1, 3), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.Word, 0)),
				asm.LoadMem(asm.R0, asm.R0, int16(m.Value)-4, asm.Word))
		}
		ins = append(ins, asm.Mul.Imm(asm.R6, 31).WithSymbol(next), asm.MovSX32.Reg(asm.R0, asm.R0), asm.Xor.Reg(asm.R6, asm.R0))
	}
	return append(append(ins, asm.Mov.Imm(asm.R0, 0)), forget()...)
}

func TestMapsAnswerAsTheKernelsDo(t *testing.T) {
	onOneCPU(t)
	for seed := range uint64(*programs / 3) {
		r := rand.New(rand.NewPCG(*seedFlag+seed, 2))
		ins := trial(mapProgram(r))
		k, h := inKernel(t, ins, tables...), here(t, ins, tables...)
		block := make([]byte, blockSize)
		for range 5 { // what one run leaves behind is there for the next
			differ(t, fmt.Sprintf("-seed %d", seed), k.run(t, block), h.run(t, block))
			sameTables(t, tables, k, h)
			if t.Failed() {
				t.Fatalf("-seed %d: program\n%v", seed, ins)
			}
		}
	}
}

// onOneCPU keeps the test on one CPU: the kernel's arrays, and stripes, have values for each.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if was.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.SchedSetaffinity(0, &was)
		runtime.UnlockOSThread()
	})
}

// sameTables compares what the maps hold.
func sameTables(t *testing.T, tables []shm.Spec, k *kernelRun, h *hereRun) {
	t.Helper()
	for _, m := range tables {
		table, err := h.layout.Table(h.mem, m.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, want := map[string]string{}, map[string]string{}
		if err := table.Cells(func(key []byte, values [][]byte) error {
			got[string(key)] = summed(values)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if m.Kind == shm.PerCPUArray {
			for i := range uint32(m.Entries) {
				var values [][]byte
				if err := k.maps[m.Name].Lookup(i, &values); err != nil {
					t.Fatal(err)
				}
				want[string(binary.LittleEndian.AppendUint32(nil, i))] = summed(values)
			}
		} else {
			it := k.maps[m.Name].Iterate()
			key, value := make([]byte, m.Key), make([]byte, m.Value)
			for it.Next(&key, &value) {
				want[string(key)] = summed([][]byte{value})
			}
			if it.Err() != nil {
				t.Fatal(it.Err())
			}
		}
		if m.Kind != shm.Hash && m.Entries > 1 {
			maps.DeleteFunc(want, func(_, v string) bool { return strings.Trim(v, "\x00") == "" })
		}
		if !maps.Equal(got, want) {
			t.Errorf("map %s holds %x, the kernel's %x", m.Name, got, want)
		}
	}
}

// summed adds the first words up, which the programs count in.
func summed(values [][]byte) string {
	if len(values) == 1 {
		return string(values[0])
	}
	sum := append([]byte(nil), values[0]...)
	for _, v := range values[1:] {
		binary.LittleEndian.PutUint32(sum, binary.LittleEndian.Uint32(sum)+binary.LittleEndian.Uint32(v))
		for i := 4; i < len(v); i++ {
			sum[i] += v[i] // the CPU that the test is on has them, which may be any
		}
	}
	return string(sum)
}

// What is known to be there is read without the kernel, and what only looks like it is not: pages that are not there would be a fault
// of the process.
func TestOnlyTheUsedPartOfAStackIsReadDirectly(t *testing.T) {
	page := uint64(unix.Getpagesize())
	mem := anonymous(t, 4*int(page))
	for _, i := range []uint64{0, 3} {
		if err := unix.Mprotect(mem[i*page:(i+1)*page], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := address(mem)
	p := newPlace(t, blockSpec)
	entry := p.add(t, asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R7, Src: asm.PseudoMapValue}.WithReference(blockMap),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, 64),
		asm.LoadMem(asm.R2, asm.R7, 8, asm.DWord),
		asm.LoadMem(asm.R3, asm.R7, 0, asm.DWord),
		asm.FnProbeReadUser.Call(), asm.Return(),
	})
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	set := func(b []byte, off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }
	block := p.mem[p.layout.Map(blockMap).Data:]
	// The stack may grow over the first page, and its end is claimed to be that of the third.
	for _, own := range []bool{true, false} {
		if own {
			set(p.slot, shm.SlotLow, at)
			set(p.slot, shm.SlotHigh, at+3*page)
		} else {
			set(p.slot, shm.SlotLow, 0)
			set(p.slot, shm.SlotHigh, 0)
			shm.SetStack(p.known, shm.Range{Start: at, End: at + 3*page})
		}
		for _, c := range []struct {
			sp, from, n uint64
			want        int32
		}{
			{at + page, at + page, 16, 0},
			{at + page, at + 3*page - 16, 16, 0},
			{at + page, at + 3*page - 15, 16, -14},
			{at + page, at + page - 1, 16, -14},
			{at + page, at + page - 16, 16, -14},
			{at + page, at, 16, -14},
			{at + 2*page, at + page, 16, 0},
			{at - 64, at + 8, 16, -14},        // on another stack, below
			{at + 3*page, at + 8, 16, -14},    // above
			{at + page, at + 3*page, 16, -14}, // at the end
			{at + page, ^uint64(0) - 7, 16, -14},
		} {
			set(p.context, shm.ContextRSP, c.sp)
			set(block, 0, c.from)
			set(block, 8, c.n)
			if got := int32(p.call(entry)); got != c.want {
				t.Errorf("own %v: stack pointer at %d, %d bytes at %d: %d, want %d", own, int64(c.sp-at), c.n, int64(c.from-at), got, c.want)
			}
		}
	}
}
