//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/local"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

const threads, rounds = 6, 200000

// everywhere runs a program on several threads at a time, each with its slot, and something beside them until they have ended.
func (p *place) everywhere(t *testing.T, entry uint64, beside func()) {
	t.Helper()
	var running sync.WaitGroup
	var left atomic.Int32
	left.Store(threads)
	start := make(chan struct{})
	for range threads {
		context, slot := anonymous(t, shm.ContextSize), anonymous(t, p.layout.SlotSize())
		binary.LittleEndian.PutUint64(context[shm.ContextSlot:], address(slot))
		if p.share {
			binary.LittleEndian.PutUint32(slot[shm.SlotStripe:], 40)
			binary.LittleEndian.PutUint32(slot[shm.SlotShared:], 1)
		}
		stack, err := local.NewStack()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stack.Close() })
		running.Go(func() {
			runtime.LockOSThread() // and the thread ends with the goroutine
			defer left.Add(-1)
			<-start
			p.space.Call(stack, entry, address(context))
		})
	}
	close(start)
	for beside != nil && left.Load() > 0 {
		beside()
	}
	running.Wait()
}

// loop runs a body with r6 from 0 to rounds; r7 is the thread.
func loop(body asm.Instructions) asm.Instructions {
	ins := asm.Instructions{asm.FnGetCurrentPidTgid.Call(), asm.Mov.Reg(asm.R7, asm.R0), asm.Mov.Imm(asm.R6, 0)}
	body[0] = body[0].WithSymbol("loop")
	ins = append(ins, body...)
	return append(ins, asm.Add.Imm(asm.R6, 1).WithSymbol("next"), asm.JLT.Imm(asm.R6, rounds, "loop"), asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// tally adds 1 to an element of the array of tallies.
func tally(i int32) asm.Instructions {
	return asm.Instructions{
		storeImm(asm.R10, -512, int64(i), asm.Word),
		mapPtr(asm.R1, "tally"), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -512),
		asm.FnMapLookupElem.Call(),
		asm.Mov.Imm(asm.R1, 1),
		fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0)),
	}
}

func (p *place) tally(t *testing.T, i uint32) uint64 {
	t.Helper()
	table, err := p.layout.Table(p.mem, "tally")
	if err != nil {
		t.Fatal(err)
	}
	v, ok := table.Get(binary.LittleEndian.AppendUint32(nil, i))
	if !ok {
		t.Fatal("no tally")
	}
	return binary.LittleEndian.Uint64(v)
}

var tallySpec = shm.Spec{Name: "tally", Kind: shm.Array, Key: 4, Value: 8, Entries: 8}

// mapCall calls a helper on a map, with the key at -8 and the value at -64 of the stack.
func mapCall(fn asm.BuiltinFunc, name string, flags int32) asm.Instructions {
	return asm.Instructions{
		mapPtr(asm.R1, name), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -16),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, -64), asm.Mov.Imm(asm.R4, flags),
		fn.Call(),
	}
}

func concat(parts ...asm.Instructions) asm.Instructions {
	var all asm.Instructions
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// Threads that make and count in the same cells at a time lose nothing.
func TestCellsThatThreadsShareCountEverything(t *testing.T) {
	p := newPlace(t, shm.Spec{Name: "h", Kind: shm.Hash, Key: 8, Value: 8, Entries: 64}, tallySpec)
	body := concat(
		asm.Instructions{
			asm.FnGetPrandomU32.Call(),
			asm.And.Imm(asm.R0, 63),
			asm.StoreMem(asm.R10, -16, asm.R0, asm.DWord),
			storeImm(asm.R10, -64, 0, asm.DWord),
		},
		mapCall(asm.FnMapLookupElem, "h", 0),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "add")},
		mapCall(asm.FnMapUpdateElem, "h", 1),
		asm.Instructions{asm.JEq.Imm(asm.R0, -16, "busy")},
		mapCall(asm.FnMapLookupElem, "h", 0),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "gone"),
			asm.Mov.Imm(asm.R1, 1).WithSymbol("add"),
			fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0)),
			asm.Ja.Label("next"),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("busy"),
		},
		tally(0),
		asm.Instructions{asm.Ja.Label("next"), asm.Mov.Imm(asm.R0, 0).WithSymbol("gone")},
		tally(1),
	)
	entry := p.add(t, loop(body))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	table, err := p.layout.Table(p.mem, "h")
	if err != nil {
		t.Fatal(err)
	}
	count := func() (sum uint64, cells int) {
		table.Cells(func(_ []byte, values [][]byte) error {
			sum += binary.LittleEndian.Uint64(values[0])
			cells++
			return nil
		})
		return sum, cells
	}
	p.everywhere(t, entry, func() { count(); runtime.Gosched() })
	sum, cells := count()
	if busy := p.tally(t, 0); sum+busy != threads*rounds || cells != 64 {
		t.Errorf("%d counted in %d cells and %d given up, of %d", sum, cells, busy, threads*rounds)
	}
	if gone := p.tally(t, 1); gone != 0 {
		t.Errorf("%d cells were not there after they had been made", gone)
	}
}

// Threads that make and remove cells of their own, as calls do that begin and end, find their own and no other's. A removal that is given up
// leaves its cell, which the thread meets again: as many are met, or there at the end, as were left.
func TestCellsOfOneThreadAreNotDisturbedByOthers(t *testing.T) {
	const cells = 8*threads + 1
	p := newPlace(t, shm.Spec{Name: "h", Kind: shm.Hash, Key: 16, Value: 40, Entries: cells}, tallySpec)
	names := []string{"busy", "left", "met", "refused", "not found", "another's", "found again"} // of the tallies
	at := func(i int32) asm.Instructions {
		ins := tally(i)
		ins[0] = ins[0].WithSymbol(names[i])
		return append(ins, asm.Ja.Label("next"))
	}
	const errBusy, errExists = -16, -17
	body := concat(
		asm.Instructions{
			asm.StoreMem(asm.R10, -16, asm.R7, asm.DWord),
			asm.Mov.Reg(asm.R0, asm.R6),
			asm.And.Imm(asm.R0, 3),
			asm.StoreMem(asm.R10, -8, asm.R0, asm.DWord),
			asm.StoreMem(asm.R10, -64, asm.R6, asm.DWord),
			asm.StoreMem(asm.R10, -32, asm.R7, asm.DWord),
		},
		mapCall(asm.FnMapUpdateElem, "h", 1),
		asm.Instructions{asm.JEq.Imm(asm.R0, errBusy, "busy"), asm.JEq.Imm(asm.R0, errExists, "exists"), asm.JNE.Imm(asm.R0, 0, "refused")},
		mapCall(asm.FnMapLookupElem, "h", 0),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "not found"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
			asm.JNE.Reg(asm.R1, asm.R6, "another's"),
			asm.LoadMem(asm.R1, asm.R0, 32, asm.DWord),
			asm.JNE.Reg(asm.R1, asm.R7, "another's"),
		},
		mapCall(asm.FnMapDeleteElem, "h", 0),
		asm.Instructions{asm.JEq.Imm(asm.R0, errBusy, "left"), asm.JNE.Imm(asm.R0, 0, "not found")},
		mapCall(asm.FnMapLookupElem, "h", 0),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "found again"), asm.Ja.Label("next")},
		asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("exists")},
		mapCall(asm.FnMapDeleteElem, "h", 0),
		asm.Instructions{asm.JEq.Imm(asm.R0, errBusy, "busy"), asm.JNE.Imm(asm.R0, 0, "not found"), asm.Ja.Label("met")},
	)
	for i := range names {
		body = append(body, at(int32(i))...)
	}
	entry := p.add(t, loop(body))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	table, err := p.layout.Table(p.mem, "h")
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 16)
	p.everywhere(t, entry, func() {
		// The observer does the same meanwhile, outside.
		if err := table.Put(key, make([]byte, 40)); err == nil {
			if there, err := table.Delete(key); err != nil || !there {
				t.Errorf("the observer's own cell: %v %v", there, err)
			}
		}
		table.Cells(func([]byte, [][]byte) error { return nil })
		runtime.Gosched()
	})
	there := uint64(0)
	table.Cells(func([]byte, [][]byte) error { there++; return nil })
	for i, name := range names[3:] {
		if n := p.tally(t, uint32(3+i)); n > 0 {
			t.Errorf("%d cells were %s", n, name)
		}
	}
	if left, met := p.tally(t, 1), p.tally(t, 2); left != met+there {
		t.Errorf("%d cells were left, %d were met again and %d are there", left, met, there)
	}
	if recovered := table.Recover(func(int) bool { return false }); recovered != 0 {
		t.Errorf("%d buckets are held by nobody", recovered)
	}
	wholeTable(t, table, cells-int(there))
}

// wholeTable fills a table with new cells: none of its room was lost.
func wholeTable(t *testing.T, table *shm.Table, room int) {
	t.Helper()
	for i := range room + 1 {
		key := make([]byte, table.Key)
		binary.LittleEndian.PutUint64(key[8:], uint64(i)<<32|1<<63)
		if err := table.Put(key, make([]byte, table.Value)); (err == nil) != (i < room) {
			t.Errorf("cell %d of %d: %v", i, room, err)
		}
	}
}

// Of the records of several threads none is lost, doubled, torn or out of its thread's order, and those that found no room are counted.
func TestRecordsOfManyThreadsComeOnceAndWhole(t *testing.T) {
	p := newPlace(t, shm.Spec{Name: "ring", Kind: shm.Ring, Entries: 1 << 18}, tallySpec)
	body := concat(
		asm.Instructions{
			asm.StoreMem(asm.R10, -16, asm.R7, asm.DWord),
			asm.StoreMem(asm.R10, -8, asm.R6, asm.DWord),
			asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -16),
		},
		// The record is the thread, the round, and the round again as often as its lowest bits say.
		asm.Instructions{
			asm.Mov.Reg(asm.R8, asm.R10), asm.Add.Imm(asm.R8, -200),
			asm.StoreMem(asm.R8, 0, asm.R7, asm.DWord),
		},
		func() (fill asm.Instructions) {
			for i := range int16(16) {
				fill = append(fill, asm.StoreMem(asm.R8, 8+8*i, asm.R6, asm.DWord))
			}
			return fill
		}(),
		asm.Instructions{
			mapPtr(asm.R1, "ring"),
			asm.Mov.Reg(asm.R2, asm.R8),
			asm.Mov.Reg(asm.R3, asm.R6), asm.And.Imm(asm.R3, 15), asm.LSh.Imm(asm.R3, 3), asm.Add.Imm(asm.R3, 16),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnRingbufOutput.Call(),
			asm.JEq.Imm(asm.R0, 0, "next"),
		},
		tally(0),
	)
	entry := p.add(t, loop(body))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	r, err := p.layout.Reader(p.mem, "ring")
	if err != nil {
		t.Fatal(err)
	}
	last, got := map[uint64]uint64{}, uint64(0)
	drain := func() {
		r.Drain(func(b []byte) {
			got++
			w := words64(b)
			if before, ok := last[w[0]]; ok && w[1] <= before {
				t.Errorf("record %d of thread %#x comes after %d", w[1], w[0], before)
			}
			last[w[0]] = w[1]
			if len(b) != 16+8*int(w[1]&15) {
				t.Errorf("record %d has %d bytes", w[1], len(b))
			}
			for _, v := range w[1:] {
				if v != w[1] {
					t.Errorf("record %d holds %d", w[1], v)
				}
			}
		})
	}
	p.everywhere(t, entry, drain)
	drain()
	if lost := p.tally(t, 0); got+lost != threads*rounds || got == 0 {
		t.Errorf("%d records of %d threads and %d lost, of %d", got, len(last), lost, threads*rounds)
	}
	if _, busy := r.Drain(func([]byte) {}); busy || r.Waiting() != 0 {
		t.Errorf("%d bytes wait at the end", r.Waiting())
	}
}

// A writer that died in the middle of its record is passed over, and those behind it are not lost.
func TestTheRecordOfADeadThreadIsSkipped(t *testing.T) {
	p := newPlace(t, shm.Spec{Name: "ring", Kind: shm.Ring, Entries: 4096})
	entry := p.add(t, asm.Instructions{
		storeImm(asm.R10, -8, 7, asm.DWord),
		mapPtr(asm.R1, "ring"), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -8), asm.Mov.Imm(asm.R3, 8), asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(), asm.Return(),
	})
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	r, err := p.layout.Reader(p.mem, "ring")
	if err != nil {
		t.Fatal(err)
	}
	m := p.layout.Map("ring")
	for _, torn := range []struct {
		name   string
		header uint32
		final  bool
	}{{"half written", 1<<31 | 8, false}, {"not begun", 0, true}} {
		start := m.Data + int(binary.LittleEndian.Uint64(p.mem[m.Off+128:])&4095)
		p.call(entry)
		p.call(entry)
		if torn.header == 0 {
			clear(p.mem[start : start+16])
		} else {
			binary.LittleEndian.PutUint32(p.mem[start:], torn.header)
		}
		if some, busy := r.Drain(func([]byte) {}); some || !busy {
			t.Errorf("%s: some %v busy %v", torn.name, some, busy)
		}
		if r.Skip(func(int) bool { return true }, false) {
			t.Errorf("%s: skipped although the thread lives", torn.name)
		}
		if !r.Skip(func(int) bool { return false }, torn.final) {
			t.Errorf("%s: not skipped", torn.name)
		}
		n := 0
		if _, busy := r.Drain(func(b []byte) { n += int(b[0]) }); n != 7 || busy {
			t.Errorf("%s: behind it %d, busy %v", torn.name, n, busy)
		}
	}
}

// A bucket whose holder died is given back; until then what needs it is refused, and does not wait.
func TestABucketOfADeadThreadIsGivenBack(t *testing.T) {
	p := newPlace(t, shm.Spec{Name: "h", Kind: shm.Hash, Key: 8, Value: 8, Entries: 1})
	entry := p.add(t, concat(asm.Instructions{storeImm(asm.R10, -16, 5, asm.DWord), storeImm(asm.R10, -64, 6, asm.DWord)},
		mapCall(asm.FnMapUpdateElem, "h", 0), asm.Instructions{asm.Return()}))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	m := p.layout.Map("h")
	binary.LittleEndian.PutUint32(p.mem[m.Heads+4:], 4_000_000)
	if got := int32(p.call(entry)); got != -16 {
		t.Errorf("update of a held bucket gives %d, want EBUSY", got)
	}
	table, err := p.layout.Table(p.mem, "h")
	if err != nil {
		t.Fatal(err)
	}
	if n := table.Recover(func(tid int) bool { return tid == 4_000_000 }); n != 0 {
		t.Errorf("%d buckets were taken from a living thread", n)
	}
	if n := table.Recover(func(tid int) bool { return false }); n != 1 {
		t.Errorf("%d buckets recovered, want 1", n)
	}
	if got := int32(p.call(entry)); got != 0 {
		t.Errorf("update gives %d", got)
	}
	if v, ok := table.Get([]byte{5, 0, 0, 0, 0, 0, 0, 0}); !ok || v[0] != 6 {
		t.Errorf("the value is %v %v", v, ok)
	}
}

// Slots count in values of their own without locking, and those that come when there are none left share, and lock: nothing is lost.
func TestCountsOfOwnAndOfSharedValuesAreExact(t *testing.T) {
	stats := shm.Spec{Name: codegen.StatsMap, Kind: shm.PerCPUArray, Key: 4, Value: 88, Entries: 1, Own: true}
	p := newPlace(t, stats, shm.Spec{Name: "own", Kind: shm.PerCPUArray, Key: 4, Value: 8, Entries: 100, Own: true}, tallySpec)
	add := func(name string, off int16, value int32) asm.Instructions {
		return asm.Instructions{
			mapPtr(asm.R1, name), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -8), asm.FnMapLookupElem.Call(),
			asm.Mov.Imm(asm.R1, value), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, off)),
		}
	}
	body := concat(asm.Instructions{storeImm(asm.R10, -8, 0, asm.Word)}, add(codegen.StatsMap, 8, 3), asm.Instructions{storeImm(asm.R10, -8, 7, asm.Word)}, add("own", 0, 1))
	entry := p.add(t, loop(body))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	const times = 14 // 66 slots and more: more than have values of their own
	for i := range times {
		p.share = i >= times-3 // all the same
		p.everywhere(t, entry, nil)
	}
	for _, c := range []struct {
		name string
		off  int
		want uint64
	}{{codegen.StatsMap, 8, 3 * times * threads * rounds}, {"own", 0, times * threads * rounds}} {
		table, err := p.layout.Table(p.mem, c.name)
		if err != nil {
			t.Fatal(err)
		}
		sum, some := uint64(0), 0
		table.Cells(func(_ []byte, values [][]byte) error {
			for _, v := range values {
				n := binary.LittleEndian.Uint64(v[c.off:])
				sum += n
				if n > 0 {
					some++
				}
			}
			return nil
		})
		if sum != c.want || some <= 32 {
			t.Errorf("%s: %d in %d values, want %d", c.name, sum, some, c.want)
		}
	}
}
