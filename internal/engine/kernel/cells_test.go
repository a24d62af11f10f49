package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// tableOf makes map 0 of a plan, of n entries: key i*3 (or i in arrays) holds i+1, and on further CPUs i+1 plus the CPU.
func tableOf(t *testing.T, kind ebpf.MapType, valueSize, n int) (*Session, map[uint64][]uint64) {
	t.Helper()
	fixture.NeedRoot(t)
	spec := &ebpf.MapSpec{Type: kind, KeySize: 8, ValueSize: uint32(valueSize), MaxEntries: uint32(n + 10)}
	array := kind == ebpf.Array || kind == ebpf.PerCPUArray
	if array {
		spec.KeySize = 4
	}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	cpus := 1
	if kind == ebpf.PerCPUArray || kind == ebpf.PerCPUHash {
		if cpus, err = ebpf.PossibleCPU(); err != nil {
			t.Fatal(err)
		}
	}
	want := map[uint64][]uint64{}
	for i := range n {
		key, step := make([]byte, spec.KeySize), 3*i
		if array {
			step = i
			binary.NativeEndian.PutUint32(key, uint32(i))
		} else {
			putUint64(key, uint64(step))
		}
		values := make([][]byte, cpus)
		for cpu := range values {
			values[cpu] = make([]byte, valueSize)
			putUint64(values[cpu][valueSize-8:], uint64(i+1+cpu))
			want[uint64(step)] = append(want[uint64(step)], uint64(i+1+cpu))
		}
		var put any = values
		if cpus == 1 && kind != ebpf.PerCPUArray && kind != ebpf.PerCPUHash {
			put = values[0]
		}
		if err := m.Put(key, put); err != nil {
			t.Fatal(err)
		}
	}
	s := &Session{plan: &plan.Plan{Maps: []plan.Map{{Kind: event.AggCount}}}, code: &codegen.Program{}, maps: map[string]*ebpf.Map{codegen.MapName(0): m}}
	return s, want
}

// collect takes entries as Cells hands them out.
func collect(into map[uint64][]uint64) func(key []byte, values [][]byte) error {
	return func(key []byte, values [][]byte) error {
		var k uint64
		if len(key) == 4 {
			k = uint64(binary.NativeEndian.Uint32(key))
		} else {
			k = binary.NativeEndian.Uint64(key)
		}
		if into[k] != nil {
			return fmt.Errorf("key %d came twice", k)
		}
		for _, v := range values {
			into[k] = append(into[k], binary.NativeEndian.Uint64(v[len(v)-8:]))
		}
		return nil
	}
}

func TestCellsHandsOutEveryEntryOnce(t *testing.T) {
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.PerCPUHash, ebpf.Array, ebpf.PerCPUArray} {
		for _, size := range []struct{ value, n int }{{8, 0}, {8, 1}, {8, 5000}, {8 * 97, 3000}} {
			t.Run(fmt.Sprintf("%v of %d bytes, %d", kind, size.value, size.n), func(t *testing.T) {
				s, want := tableOf(t, kind, size.value, size.n)
				got := map[uint64][]uint64{}
				if err := s.Cells(0, collect(got)); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%d entries, want %d, or other values", len(got), len(want))
				}
				w, err := newWalk(s.maps[codegen.MapName(0)])
				if err != nil {
					t.Fatal(err)
				}
				got = map[uint64][]uint64{}
				if err := w.singly(false, collect(got)); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("one by one: %d entries, want %d, or other values; %v", len(got), len(want), err)
				}
			})
		}
	}
}

func TestClearRemovesAndZeroKeeps(t *testing.T) {
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.PerCPUHash, ebpf.PerCPUArray} {
		t.Run(kind.String(), func(t *testing.T) {
			s, want := tableOf(t, kind, 16, 300)
			array := kind == ebpf.PerCPUArray
			left := func() map[uint64][]uint64 {
				got := map[uint64][]uint64{}
				if err := s.Cells(0, collect(got)); err != nil {
					t.Fatal(err)
				}
				return got
			}
			if err := s.Clear(0, true); err != nil {
				t.Fatal(err)
			}
			zeroed := left()
			if !array && len(zeroed) != len(want) {
				t.Errorf("zero left %d keys of %d", len(zeroed), len(want))
			}
			for key, values := range zeroed {
				for _, v := range values {
					if v != 0 {
						t.Fatalf("zero left %d under %d", v, key)
					}
				}
			}
			if err := s.Clear(0, false); err != nil {
				t.Fatal(err)
			}
			if n := len(left()); n != 0 {
				t.Errorf("clear left %d keys", n)
			}
		})
	}
}

func TestClearingAHitCounterForgetsNoHits(t *testing.T) {
	s, want := tableOf(t, ebpf.PerCPUArray, 8, 50)
	s.code.HitsFrom = []int{0}
	var sum uint64
	for _, values := range want {
		for _, v := range values {
			sum += v
		}
	}
	for range 2 {
		counts, err := s.Counts()
		if err != nil || counts.Of[plan.CountHits] != sum {
			t.Errorf("%d hits, want %d (%v)", counts.Of[plan.CountHits], sum, err)
		}
		if err := s.Clear(0, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnErrorOfTheReaderEndsTheWalk(t *testing.T) {
	s, _ := tableOf(t, ebpf.Hash, 8, 100)
	enough, n := errors.New("enough"), 0
	err := s.Cells(0, func([]byte, [][]byte) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%v after %d entries", err, n)
	}
}

func TestAMapThatNoProgramUsesIsEmpty(t *testing.T) {
	s := &Session{code: &codegen.Program{}}
	err := s.Cells(3, func([]byte, [][]byte) error { return errors.New("an entry") })
	if err == nil {
		err = s.Clear(3, false)
	}
	if err != nil || s.Stack(7) != nil {
		t.Error(err)
	}
}

func TestStackEndsAtTheFirstZero(t *testing.T) {
	fixture.NeedRoot(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 8, ValueSize: 8 * 5, MaxEntries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Put(uint64(9), []uint64{3, 2, 1, 0, 5}); err != nil {
		t.Fatal(err)
	}
	s := &Session{maps: map[string]*ebpf.Map{codegen.StacksMap: m}}
	if got := s.Stack(9); !reflect.DeepEqual(got, []uint64{3, 2, 1}) {
		t.Errorf("%v", got)
	}
	if s.Stack(8) != nil || s.Stack(0) != nil {
		t.Error("a stack that is not there")
	}
}
