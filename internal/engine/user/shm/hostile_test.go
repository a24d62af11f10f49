package shm_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// The process may write anything over the memory: the observer reads nonsense then, and neither panics nor hangs.
func TestDamagedMemoryIsReadWithoutHarm(t *testing.T) {
	specs := []shm.Spec{
		{Name: "h", Kind: shm.Hash, Key: 8, Value: 24, Entries: 50},
		{Name: "r", Kind: shm.Ring, Entries: 4096},
		{Name: "a", Kind: shm.PerCPUArray, Key: 4, Value: 8, Entries: 10},
	}
	l, err := shm.Lay(specs, 4)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		mem := make([]byte, l.Size)
		h, err := l.Table(mem, "h")
		if err != nil {
			t.Fatal(err)
		}
		key := func() []byte { return []byte{byte(r.IntN(60)), 0, 0, 0, 0, 0, 0, 0} }
		for range 60 {
			h.Put(key(), make([]byte, 24))
		}
		for range 1 + r.IntN(2000) {
			at := r.IntN(len(mem))
			mem[at] = byte(r.Uint32()) & [...]byte{0xff, 0x0f, 0x80}[r.IntN(3)]
		}
		h.Recover(func(int) bool { return false })
		for range 20 {
			h.Put(key(), make([]byte, 24))
			h.Get(key())
			h.Delete(key())
		}
		h.Cells(func([]byte, [][]byte) error { return nil })
		h.Zero()
		reader, err := l.Reader(mem, "r")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			reader.Drain(func(b []byte) {
				if len(b) > 4096 {
					t.Errorf("seed %d: a record of %d bytes", seed, len(b))
				}
			})
			reader.Skip(func(int) bool { return false }, true)
		}
	}
}

// So are the entries that threads keep for themselves.
func TestDamagedFrontsAreReadWithoutHarm(t *testing.T) {
	l, err := shm.Lay([]shm.Spec{{Name: "n", Kind: shm.Hash, Key: 24, Value: 24, Entries: 100, Nest: &shm.Nest{Owner: 0, What: 8, Place: 16}}}, 4)
	if err != nil {
		t.Fatal(err)
	}
	m, found := l.Map("n"), 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 4))
		mem := make([]byte, l.Size)
		for i := range 4 {
			mem[264+i] = byte(r.IntN(6)) // slots that were given numbers
		}
		n, err := l.Table(mem, "n")
		if err != nil {
			t.Fatal(err)
		}
		front := mem[m.Fronts+r.IntN(4)*m.FrontSize:][:m.FrontSize]
		for range 5 {
			for range 10 {
				front[r.IntN(100)] = byte(r.Uint32()) & [...]byte{0xff, 0x01}[r.IntN(2)]
			}
			n.Cells(func([]byte, [][]byte) error { found++; return nil })
			n.Delete(front[32:56])
			n.Delete(make([]byte, 24))
		}
	}
	if found == 0 {
		t.Error("nothing was found")
	}
}

// What does not fit is an error, not a layout.
func TestMapsThatDoNotFitAreRefused(t *testing.T) {
	for name, spec := range map[string]shm.Spec{
		"no entries":       {Name: "m", Kind: shm.Hash, Key: 8, Value: 8},
		"a long key":       {Name: "m", Kind: shm.Hash, Key: 513, Value: 8, Entries: 1},
		"a large value":    {Name: "m", Kind: shm.Hash, Key: 8, Value: 1<<20 + 1, Entries: 1},
		"a key of 8":       {Name: "m", Kind: shm.Array, Key: 8, Value: 8, Entries: 1},
		"an odd ring":      {Name: "m", Kind: shm.Ring, Entries: 5000},
		"a small ring":     {Name: "m", Kind: shm.Ring, Entries: 2048},
		"an unknown kind":  {Name: "m", Kind: 9, Key: 4, Value: 8, Entries: 1},
		"too large by far": {Name: "m", Kind: shm.PerCPUArray, Key: 4, Value: 1 << 20, Entries: 1 << 20},
	} {
		if _, err := shm.Lay([]shm.Spec{spec}, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Maps lie apart, in the order in which they were given, and inside the memory.
func TestMapsDoNotOverlap(t *testing.T) {
	specs := []shm.Spec{
		{Name: "a", Kind: shm.Array, Key: 4, Value: 5, Entries: 700},
		{Name: "b", Kind: shm.PerCPUArray, Key: 4, Value: 88, Entries: 1},
		{Name: "c", Kind: shm.Hash, Key: 12, Value: 40, Entries: 1000},
		{Name: "d", Kind: shm.Ring, Entries: 8192},
		{Name: "e", Kind: shm.Storage, Key: 4, Value: 1000, Entries: 1},
	}
	l, err := shm.Lay(specs, 3)
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, l.Size)
	mark := func(from, n int) {
		t.Helper()
		for i := range n {
			if mem[from+i] != 0 {
				t.Fatalf("byte %d is twice in use", from+i)
			}
			mem[from+i] = 1
		}
	}
	mark(0, 4096)
	for i := range l.Maps {
		m := &l.Maps[i]
		switch m.Kind {
		case shm.Array:
			mark(m.Data, m.Stride*m.Entries)
		case shm.PerCPUArray:
			mark(m.Data, m.PerCPU*3)
		case shm.Hash:
			mark(m.Off, 4096)
			mark(m.Heads, 8*m.Buckets)
			mark(m.Data, m.Stride*m.Entries)
		case shm.Ring:
			mark(m.Off, 4096)
			mark(m.Data, m.Entries)
		}
	}
	if l.SlotSize() < shm.SlotStorage+1000 {
		t.Errorf("slots of %d bytes", l.SlotSize())
	}
}
