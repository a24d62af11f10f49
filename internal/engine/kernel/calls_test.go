package kernel

import (
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// openSize is a value of open calls: cursor and depth, and the header of the record.
const openSize = 8 + plan.CallHeader

// openCalls is a session with calls of the given owners (thread group and thread) open.
func openCalls(t *testing.T, owners ...[2]int) *Session {
	t.Helper()
	fixture.NeedRoot(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 24, ValueSize: openSize, MaxEntries: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	for i, owner := range owners {
		key, value := make([]byte, 24), make([]byte, openSize)
		putUint64(key, uint64(owner[0])<<32|uint64(owner[1]))
		putUint64(key[8:], uint64(owner[0]))
		putUint64(key[16:], uint64(i))
		putUint64(value, plan.CallHeader)
		copy(value[8+plan.CallHeader-plan.CommSize:], "the record")
		if err := m.Put(key, value); err != nil {
			t.Fatal(err)
		}
	}
	return &Session{
		code: &codegen.Program{Frames: []codegen.FrameMap{{Name: "frames4", Probe: 4, Record: 8}}},
		maps: map[string]*ebpf.Map{"frames4": m},
	}
}

// dead is the ID of a process that has ended.
func dead(t *testing.T) int {
	t.Helper()
	w := fixture.Start(t, "/bin/cat")
	w.Finish()
	return w.PID
}

func TestCallsThatDidNotEndAreHandedOutAndCounted(t *testing.T) {
	me, gone := os.Getpid(), dead(t)
	s := openCalls(t, [2]int{me, me}, [2]int{me, me}, [2]int{gone, gone}, [2]int{me, gone})
	var got []bool
	err := s.Unfinished(func(call engine.OpenCall) error {
		got = append(got, call.Gone)
		if call.Probe != 4 || string(call.Record[plan.RecordComm:][:10]) != "the record" {
			t.Errorf("%+v", call)
		}
		return nil
	})
	if left := slices.DeleteFunc(slices.Clone(got), func(gone bool) bool { return gone }); err != nil || len(got) != 4 || len(left) != 2 {
		t.Errorf("gone: %v, %v", got, err)
	}
	if counts, _ := s.Counts(); counts.Unfinished != 0 {
		t.Error("calls that may still end were counted")
	}
	s.disarmed.Store(true)
	if counts, err := s.Counts(); counts.Unfinished != 2 || counts.Exited != 2 || err != nil {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestSweepForgetsTheCallsOfTheDead(t *testing.T) {
	me, gone := os.Getpid(), dead(t)
	s := openCalls(t, [2]int{me, me}, [2]int{gone, gone}, [2]int{gone, gone})
	s.disarmed.Store(true)
	n := 0
	for range 2 {
		if err := s.Sweep(func(engine.OpenCall) { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	if counts, err := s.Counts(); n != 2 || counts.Exited != 2 || counts.Unfinished != 1 || err != nil {
		t.Errorf("%d swept, %+v, %v", n, counts, err)
	}
}

func TestNothingIsSweptWhenProcessesCannotBeLookedUp(t *testing.T) {
	gone := dead(t)
	s := openCalls(t, [2]int{gone, gone})
	s.foreign = true
	s.disarmed.Store(true)
	if err := s.Sweep(func(engine.OpenCall) { t.Error("swept") }); err != nil {
		t.Fatal(err)
	}
	if counts, _ := s.Counts(); counts.Unfinished != 1 {
		t.Errorf("%+v", counts)
	}
}
