//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Places of the key's words, as codegen's frames have them.
const nestOwner, nestWhat, nestPlace = 0, 8, 16

func nest() *shm.Nest { return &shm.Nest{Owner: nestOwner, What: nestWhat, Place: nestPlace} }

// nested are tables of open calls: with small values, and with so large ones that fewer fit in a front.
func nested() []shm.Spec {
	return []shm.Spec{
		{Name: "calls", Kind: shm.Hash, Key: 24, Value: 8, Entries: 5000, Nest: nest()},
		{Name: "records", Kind: shm.Hash, Key: 24, Value: 300, Entries: 5000, Nest: nest()},
	}
}

// nestKey is an open call.
type nestKey struct{ owner, what, place uint64 }

// calls makes up what a thread does: it calls, returns, leaves calls without returning, runs on another stack; another thread comes to its
// slot, and goroutines come by.
type calls struct {
	*rand.Rand
	open  []nestKey
	owner uint64
	place uint64
}

func (c *calls) next() (fn asm.BuiltinFunc, key nestKey, flags int32) {
	switch n := c.IntN(200); {
	case n < 10:
		c.place += 16 * uint64(c.IntN(60)) // the calls below are left
		for len(c.open) > 0 && c.open[len(c.open)-1].place < c.place && c.IntN(4) > 0 {
			c.open = c.open[:len(c.open)-1]
		}
	case n < 14:
		c.place = uint64(0x7000+0x1000*c.IntN(3)) << 4
	case n < 16:
		c.owner = [...]uint64{1 << 32, 2 << 32, 1<<63 | 0x1000, 1<<63 | 0x2000}[c.IntN(4)]
	}
	switch n := c.IntN(20); {
	case n < 10:
		c.place -= 16 * uint64(c.IntN(3))
		key := nestKey{c.owner, uint64(c.IntN(2)), c.place}
		c.open = append(c.open, key)
		return asm.FnMapUpdateElem, key, [...]int32{1, 1, 1, 1, 0, 2}[c.IntN(6)]
	case n < 17 && len(c.open) > 0:
		last := len(c.open) - 1
		key := c.open[last]
		if n == 16 {
			last = c.IntN(len(c.open))
			key = c.open[last]
		}
		c.place, c.owner = key.place, key.owner
		c.open = append(c.open[:last:last], c.open[last+1:]...)
		return asm.FnMapDeleteElem, key, 0
	case len(c.open) > 0 && n < 19:
		return asm.FnMapLookupElem, c.open[c.IntN(len(c.open))], 0
	}
	key = nestKey{c.owner, uint64(c.IntN(2)), c.place + 16*uint64(c.IntN(4))}
	return [...]asm.BuiltinFunc{asm.FnMapLookupElem, asm.FnMapDeleteElem}[c.IntN(2)], key, 0
}

// nestProgram does so many operations on a table, and mixes what they answer into r6.
func (c *calls) program(m shm.Spec, operations int) asm.Instructions {
	const key, value = -176, -480
	ins := asm.Instructions{asm.Mov.Imm(asm.R6, 0), asm.Mov.Imm(asm.R0, 0)}
	for off := int16(value); off < key+24; off += 8 {
		ins = append(ins, asm.StoreMem(asm.R10, off, asm.R0, asm.DWord))
	}
	for i := range operations {
		fn, k, flags := c.next()
		next := fmt.Sprintf("n%d", i)
		for off, v := range map[int16]uint64{nestOwner: k.owner, nestWhat: k.what, nestPlace: k.place} {
			ins = append(ins, asm.LoadImm(asm.R0, int64(v), asm.DWord), asm.StoreMem(asm.R10, key+off, asm.R0, asm.DWord))
		}
		ins = append(ins, storeImm(asm.R10, value, int64(i), asm.DWord), storeImm(asm.R10, value+int16(m.Value)-4, int64(i), asm.Word),
			mapPtr(asm.R1, m.Name), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, key))
		if fn == asm.FnMapUpdateElem {
			ins = append(ins, asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, value), asm.Mov.Imm(asm.R4, flags))
		}
		ins = append(ins, fn.Call())
		if fn == asm.FnMapLookupElem {
			ins = append(ins, asm.JEq.Imm(asm.R0, 0, next), asm.Mov.Imm(asm.R1, 3), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.Word, 0)),
				asm.LoadMem(asm.R0, asm.R0, int16(m.Value)-4, asm.Word))
		}
		ins = append(ins, asm.Mul.Imm(asm.R6, 31).WithSymbol(next), asm.MovSX32.Reg(asm.R0, asm.R0), asm.Xor.Reg(asm.R6, asm.R0))
	}
	return append(append(ins, asm.Mov.Imm(asm.R0, 0)), forget()...)
}

// A table whose threads keep their latest entries for themselves answers as any other, whatever a thread does to its stacks.
func TestTablesOfOpenCallsAnswerAsTheKernelsDo(t *testing.T) {
	for seed := range uint64(max(*programs/10, 4)) {
		c := &calls{Rand: rand.New(rand.NewPCG(*seedFlag+seed, 5)), owner: 1 << 32, place: 0x8000 << 4}
		tables := nested()
		ins := trial(c.program(tables[seed%2], 300))
		k, h := inKernel(t, ins, tables...), here(t, ins, tables...)
		block := make([]byte, blockSize)
		for range 3 {
			differ(t, fmt.Sprintf("-seed %d", seed), k.run(t, block), h.run(t, block))
			sameTables(t, tables, k, h)
			if t.Failed() {
				t.Fatalf("-seed %d", *seedFlag+seed)
			}
		}
	}
}

// descend makes calls one inside of another, and returns from them, r8 deep; r6 counts how often all of that is done.
func descend(name string, depth int32) asm.Instructions {
	call := func(fn asm.BuiltinFunc) asm.Instructions { return mapCall(fn, name, 1) }
	key := asm.Instructions{
		asm.StoreMem(asm.R10, -24, asm.R7, asm.DWord), // the owner
		storeImm(asm.R10, -16, 7, asm.DWord),
		asm.StoreMem(asm.R10, -8, asm.R8, asm.DWord),
		asm.StoreMem(asm.R10, -64, asm.R8, asm.DWord),
	}
	onKey := func(ins asm.Instructions) asm.Instructions {
		for i := range ins {
			if ins[i].OpCode == asm.Add.Imm(asm.R2, 0).OpCode && ins[i].Dst == asm.R2 {
				ins[i].Constant = -24
			}
		}
		return ins
	}
	down := concat(key, onKey(call(asm.FnMapUpdateElem)), asm.Instructions{
		asm.JNE.Imm(asm.R0, 0, "refused"),
		asm.Sub.Imm(asm.R8, 16), asm.JNE.Imm(asm.R8, 1<<20, "down"),
	})
	down[0] = down[0].WithSymbol("down")
	up := concat(asm.Instructions{asm.Add.Imm(asm.R8, 16)}, key, onKey(call(asm.FnMapLookupElem)), asm.Instructions{
		asm.JEq.Imm(asm.R0, 0, "missed"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.JNE.Reg(asm.R1, asm.R8, "missed"),
	}, onKey(call(asm.FnMapDeleteElem)), asm.Instructions{
		asm.JNE.Imm(asm.R0, 0, "missed"), asm.JNE.Imm(asm.R8, 1<<20+16*depth, "up"), asm.Ja.Label("next"),
	})
	up[0] = up[0].WithSymbol("up")
	at := func(name string, i int32) asm.Instructions {
		ins := tally(i)
		ins[0] = ins[0].WithSymbol(name)
		return append(ins, asm.Ja.Label("next"))
	}
	return concat(asm.Instructions{asm.Mov.Imm(asm.R8, 1<<20+16*depth)}, down, up, at("refused", 0), at("missed", 1))
}

// Threads whose calls are deeper than a front holds find each of them again, while the observer looks on, and leave nothing behind.
func TestDeepCallsOfManyThreadsAreAllFound(t *testing.T) {
	for _, depth := range []int32{1, 50, 200} {
		p := newPlace(t, shm.Spec{Name: "calls", Kind: shm.Hash, Key: 24, Value: 8, Entries: 4096, Nest: nest()}, tallySpec)
		ins := loop(descend("calls", depth))
		for i := range ins {
			if ins[i].Constant == rounds {
				ins[i].Constant = int64(rounds / 5 / depth)
			}
		}
		entry := p.add(t, ins)
		if err := p.space.Seal(); err != nil {
			t.Fatal(err)
		}
		table, err := p.layout.Table(p.mem, "calls")
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		p.everywhere(t, entry, func() {
			n := 0
			table.Cells(func(key []byte, values [][]byte) error {
				if place := binary.LittleEndian.Uint64(key[nestPlace:]); place <= 1<<20 || place > 1<<20+16*uint64(depth) {
					t.Errorf("a call at %#x", place)
				}
				n++
				return nil
			})
			most = max(most, n)
		})
		table.Cells(func([]byte, [][]byte) error { t.Errorf("depth %d: a call is left", depth); return nil })
		if refused, missed := p.tally(t, 0), p.tally(t, 1); refused != 0 || missed != 0 {
			t.Errorf("depth %d: %d calls were refused, %d missed", depth, refused, missed)
		}
		wholeTable(t, table, 4096)
	}
}

// doing is a program that does one operation on an open call of the table of calls, and gives what that gives.
func (k nestKey) doing(fn asm.BuiltinFunc) asm.Instructions {
	var ins asm.Instructions
	for off, v := range map[int16]uint64{nestOwner: k.owner, nestWhat: k.what, nestPlace: k.place} {
		ins = append(ins, asm.LoadImm(asm.R0, int64(v), asm.DWord), asm.StoreMem(asm.R10, off-24, asm.R0, asm.DWord))
	}
	return append(ins, mapPtr(asm.R1, "calls"), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -24),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, -24), asm.Mov.Imm(asm.R4, 1), fn.Call(), asm.Return())
}

// What a thread had to put into the hash, as its front was held by the observer, it finds there when the front is its own.
func TestCallsBesideAHeldFrontAreFound(t *testing.T) {
	p := newPlace(t, nested()...)
	early, late := nestKey{1 << 32, 1, 200}, nestKey{1 << 32, 1, 100}
	enterEarly, enterLate := p.add(t, early.doing(asm.FnMapUpdateElem)), p.add(t, late.doing(asm.FnMapUpdateElem))
	leaveLate, leaveEarly := p.add(t, late.doing(asm.FnMapDeleteElem)), p.add(t, early.doing(asm.FnMapDeleteElem))
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	front := p.mem[p.layout.Map("calls").Fronts:]
	binary.LittleEndian.PutUint64(front, 1<<64-1)
	steps := []struct {
		name  string
		entry uint64
		want  int32
	}{{"first, beside", enterEarly, 0}, {"first again", enterEarly, -17}, {"second", enterLate, 0}, {"second leaves", leaveLate, 0}, {"first leaves", leaveEarly, 0}, {"again", leaveEarly, -2}}
	for i, s := range steps {
		if i == 2 {
			binary.LittleEndian.PutUint64(front, 0)
		}
		if got := int32(p.call(s.entry)); got != s.want {
			t.Errorf("%s: %d, want %d", s.name, got, s.want)
		}
	}
	if top := binary.LittleEndian.Uint32(front[8:]); binary.LittleEndian.Uint64(front) != 1<<32 || top != 0 {
		t.Errorf("the front is %x's, with %d bytes", binary.LittleEndian.Uint64(front), top)
	}
}

// The calls that a thread left open when it ended are there until they are removed, each once, whoever has its slot by then.
func TestCallsOfEndedThreadsAreThereOnce(t *testing.T) {
	p := newPlace(t, nested()...)
	const first, second = 1 << 32, 2 << 32
	call := func(owner, place uint64) nestKey { return nestKey{owner, 1, place} }
	program := map[nestKey]uint64{}
	for _, owner := range []uint64{first, second} {
		for place := uint64(100); place < 108; place++ {
			program[call(owner, place)] = p.add(t, call(owner, place).doing(asm.FnMapUpdateElem))
		}
	}
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	table, err := p.layout.Table(p.mem, "calls")
	if err != nil {
		t.Fatal(err)
	}
	there := func() map[nestKey]int {
		found := map[nestKey]int{}
		table.Cells(func(key []byte, values [][]byte) error {
			w := words64(key)
			found[nestKey{w[nestOwner/8], w[nestWhat/8], w[nestPlace/8]}]++
			return nil
		})
		return found
	}
	remove := func(k nestKey) {
		t.Helper()
		key := make([]byte, 24)
		for off, v := range map[int]uint64{nestOwner: k.owner, nestWhat: k.what, nestPlace: k.place} {
			binary.LittleEndian.PutUint64(key[off:], v)
		}
		for _, want := range []bool{true, false} {
			if found, err := table.Delete(key); err != nil || found != want {
				t.Errorf("removing %x: %v %v, want %v", k, found, err, want)
			}
		}
	}
	for place := uint64(107); place >= 100; place-- {
		p.call(program[call(first, place)])
	}
	remove(call(first, 103)) // one in the middle
	remove(call(first, 100)) // and the last
	if got := there(); len(got) != 6 || got[call(first, 101)] != 1 {
		t.Errorf("there are %x", got)
	}
	p.call(program[call(second, 105)]) // moves the six into the hash
	if got := there(); len(got) != 7 || got[call(first, 101)] != 1 || got[call(second, 105)] != 1 {
		t.Errorf("with the next thread there are %x", got)
	}
	for k, n := range there() {
		if n != 1 {
			t.Errorf("%x is there %d times", k, n)
		}
		remove(k)
	}
	if got := there(); len(got) != 0 {
		t.Errorf("left are %x", got)
	}
}
