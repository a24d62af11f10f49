package kernel

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/fixture"
)

// writer is a ring and a program that writes one record of 40 bytes into it, all of them its count of runs.
type writer struct {
	t    *testing.T
	ring *ring
	prog *ebpf.Program
	n    uint64
}

func newWriter(t *testing.T, size uint32, flags int32) *writer {
	t.Helper()
	fixture.NeedRoot(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rings, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: size})
	must(err)
	t.Cleanup(func() { rings.Close() })
	runs, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	must(err)
	t.Cleanup(func() { runs.Close() })
	code := asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, runs.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
	}
	for i := range 5 {
		code = append(code, asm.StoreMem(asm.RFP, int16(-8*(i+2)), asm.R1, asm.DWord))
	}
	code = append(code,
		asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, rings.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -48),
		asm.Mov.Imm(asm.R3, 40), asm.Mov.Imm(asm.R4, flags),
		asm.FnRingbufOutput.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "sonde_try", Type: ebpf.RawTracepoint, License: "GPL", Instructions: code})
	must(err)
	t.Cleanup(func() { prog.Close() })
	r, err := openRing(rings)
	must(err)
	t.Cleanup(func() { r.close() })
	return &writer{t: t, ring: r, prog: prog}
}

func (w *writer) write(n int) {
	for range n {
		if _, err := runOnce(w.prog.FD()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// check is given each record and expects the next number in all its words.
func (w *writer) check(record []byte) {
	var want [40]byte
	for i := range 5 {
		binary.NativeEndian.PutUint64(want[8*i:], w.n)
	}
	if !bytes.Equal(record, want[:]) {
		w.t.Errorf("record %d is %x", w.n, record)
	}
	w.n++
}

// later runs fn in a moment; the test does not end before it has.
func later(t *testing.T, fn func()) {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		time.Sleep(25 * time.Millisecond)
		fn()
	}()
}

func TestRecordsThatReachOverTheEndOfTheRingAreWhole(t *testing.T) {
	w := newWriter(t, 4096, 1)
	for round := range 50 { // 48 bytes each: 85 fill the ring, and 4096 is no multiple of 48
		w.write(70)
		if err := w.ring.read(time.Time{}, w.check); err != nil {
			t.Fatal(err)
		}
		if want := uint64(70 * (round + 1)); w.n != want {
			t.Fatalf("%d records, want %d", w.n, want)
		}
	}
	if len(w.ring.split) == 0 {
		t.Error("no record was split")
	}
}

func TestReadFindsRecordsThatWakeNobody(t *testing.T) {
	w := newWriter(t, 4096, 1) // BPF_RB_NO_WAKEUP
	later(t, func() { w.write(3) })
	began := time.Now()
	if err := w.ring.read(began.Add(time.Second), w.check); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); w.n != 3 || took < 990*time.Millisecond || took > 30*time.Second {
		t.Errorf("%d records in %v", w.n, took)
	}
}

func TestARecordThatWakesIsReadBeforeTheNextLook(t *testing.T) {
	w := newWriter(t, 4096, 2) // BPF_RB_FORCE_WAKEUP
	later(t, func() { w.write(1) })
	began := time.Now()
	_, err := w.ring.wait(time.Minute)
	w.ring.read(time.Time{}, w.check)
	if took := time.Since(began); err != nil || w.n != 1 || took > 30*time.Second {
		t.Errorf("%d records after %v, %v", w.n, took, err)
	}
}

func TestWakeEndsReadAfterWhatIsThere(t *testing.T) {
	w := newWriter(t, 4096, 1)
	s := &Session{ring: w.ring}
	later(t, func() {
		w.write(2)
		s.Wake()
	})
	began := time.Now()
	if err := s.Read(began.Add(time.Minute), w.check); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) > 10*time.Second || w.n != 2 {
		t.Errorf("%d records after %v", w.n, time.Since(began))
	}
	began = time.Now()
	s.Read(began.Add(50*time.Millisecond), w.check)
	if time.Since(began) < 40*time.Millisecond {
		t.Error("a Wake ended two reads")
	}
}

func TestReadAllocatesNothingPerRecord(t *testing.T) {
	w := newWriter(t, 1<<16, 1)
	got := 0
	take := func([]byte) { got++ }
	w.write(100)
	w.ring.read(time.Time{}, take) // the room for split records
	const rounds = 20
	n := testing.AllocsPerRun(rounds, func() {
		w.write(400)
		w.ring.read(time.Time{}, take)
	})
	if got != 100+400*(rounds+1) || n > 2 {
		t.Errorf("%v allocations for 400 records; %d records read", n, got)
	}
}

func TestASessionWithoutRecordsWaitsForItsDeadline(t *testing.T) {
	r, err := openRing(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	began := time.Now()
	if err := r.read(began.Add(30*time.Millisecond), nil); err != nil || time.Since(began) < 25*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
