package kernel

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
)

func TestEveryCallIsSeenAtItsEntryAndItsReturn(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		target := fixture.Start(t, program, "leaf")
		h := observe(multi, 1<<20, program, true, sitesOf(t, program, "leaf", "add")...)
		s := open(t, h)
		if refusals := arm(t, s); len(refusals) != 0 {
			t.Fatalf("refused: %v", refusals)
		}
		target.Release()
		s.Disarm()
		entries, returns := 0, 0
		for _, r := range records(t, s) {
			probe, kind := 0, plan.Entry
			if r.isReturn {
				probe, kind = 1, plan.Return
				returns++
			} else {
				entries++
			}
			want := record{codegen.Cookie(&h.plan, kind, &h.plan.Probes[probe].Sites[0]), uint32(target.PID), uint32(target.PID), r.isReturn}
			if r != want {
				t.Fatalf("got %+v, want %+v", r, want)
			}
		}
		if entries != 1000 || returns != 1000 {
			t.Errorf("%d entries and %d returns of 1000 calls", entries, returns)
		}
		counts, err := s.Counts()
		if err != nil || counts.Of[plan.CountHits] != 1000 || counts.Of[plan.CountEvents] != 2000 {
			t.Errorf("counts %+v, %v", counts, err)
		}
	})
}

func TestASiteThatTheKernelRefusesIsLeftOutAndReported(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		target := fixture.Start(t, program, "locked") // the kernel looks at instructions that are mapped
		s := open(t, observe(multi, 1<<20, program, false, sitesOf(t, program, "add", "locked", "leaf", "down")...))
		refusals := arm(t, s)
		if len(refusals) != 1 || refusals[0].Function != "locked" || !strings.Contains(refusals[0].Why, "does not probe this instruction") {
			t.Fatalf("refusals %+v", refusals)
		}
		target.Release()
		s.Disarm()
		if n := len(records(t, s)); n != 5 {
			t.Errorf("%d records of 5 calls of leaf", n)
		}
	})
}

func TestNothingArmedIsAnErrorThatSaysWhy(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		fixture.Start(t, program, "locked")
		s := open(t, observe(multi, 1<<20, program, false, sitesOf(t, program, "locked")...))
		_, err := s.Arm()
		if err == nil || !strings.Contains(err.Error(), string(engine.NotArmed)) {
			t.Errorf("got %v", err)
		}
		h := observe(multi, 1<<20, program, false, sitesOf(t, program, "leaf")...)
		h.plan.Objects[0].Open = "/nonexistent"
		if _, err := open(t, h).Arm(); err == nil {
			t.Error("a file that is not there was armed")
		}
	})
}

func TestOneProcessOfSeveralIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/calls.c")
	one, other := fixture.Start(t, program, "threads"), fixture.Start(t, program, "leaf")
	h := observe(hasMulti(), 1<<20, program, false, sitesOf(t, program, "leaf")...)
	h.plan.Filter.PIDs = []int{one.PID}
	s := open(t, h)
	if Narrowed(&s.plan.Filter) == 0 {
		t.Skip("refused: the kernel's own process filter cannot be used")
	}
	arm(t, s)
	other.Release()
	one.Release()
	s.Disarm()
	threads := map[uint32]int{}
	for _, r := range records(t, s) {
		if r.pid != uint32(one.PID) {
			t.Fatalf("a record of process %d", r.pid)
		}
		threads[r.tid]++
	}
	if len(threads) != 4 {
		t.Errorf("records by thread %v, want 4 of 500", threads)
	}
}

func TestAProcessThatLostItsFirstThreadIsObserved(t *testing.T) {
	eachRoad(t, func(t *testing.T, multi bool) {
		program := fixture.Build(t, "engine/calls.c")
		target := fixture.Start(t, program, "leaderless")
		for n := 0; !leaderless(target.PID); n++ {
			if n > 6000 {
				t.Fatal("its first thread lives on")
			}
			time.Sleep(10 * time.Millisecond)
		}
		h := observe(multi, 1<<20, program, false, sitesOf(t, program, "leaf")...)
		h.plan.Filter.PIDs = []int{target.PID}
		s := open(t, h)
		arm(t, s)
		target.Release()
		s.Disarm()
		if n := len(records(t, s)); n != 10 {
			t.Errorf("%d records of 10 calls", n)
		}
	})
}

func TestEveryLostRecordIsCountedOnEveryCPU(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/calls.c")
	target := fixture.Start(t, program, "each-cpu")
	s := open(t, observe(hasMulti(), 4096, program, false, sitesOf(t, program, "leaf")...))
	arm(t, s)
	target.Release()
	s.Disarm()
	read := uint64(len(records(t, s)))
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	stats := counts.Stats()
	if want := uint64(2000 * runtime.NumCPU()); stats.Hits != want {
		t.Errorf("%d hits, want %d", stats.Hits, want)
	}
	if stats.Lost == 0 || stats.Hits != stats.Events+stats.Filtered+stats.Lost || read != stats.Events {
		t.Errorf("hits %d, events %d, filtered %d, lost %d, read %d", stats.Hits, stats.Events, stats.Filtered, stats.Lost, read)
	}
}

func TestTenThousandFunctionsShareALink(t *testing.T) {
	fixture.NeedRoot(t)
	if !hasMulti() {
		t.Skip("refused: this kernel has no uprobe_multi")
	}
	program := fixture.Build(t, "engine/many.S")
	base := sitesOf(t, program, "many")[0]
	sites := make([]symbolSite, 10000)
	for i := range sites {
		sites[i] = symbolSite{"many", base.addr, base.offset}
		sites[i].offset += symbol.Offset(8 * i)
	}
	target := fixture.Start(t, program)
	s := open(t, observe(true, 1<<20, program, false, sites...))
	began := time.Now()
	arm(t, s)
	t.Logf("armed in %v", time.Since(began))
	target.Release()
	began = time.Now()
	s.Disarm()
	t.Logf("disarmed in %v", time.Since(began))
	if len(s.held.links)+len(s.held.entries) != 0 {
		t.Error("links are left")
	}
	var seen []uint64
	for _, r := range records(t, s) {
		seen = append(seen, r.cookie)
	}
	slices.Sort(seen)
	if len(seen) != 10000 || len(slices.Compact(seen)) != 10000 {
		t.Errorf("%d functions seen", len(seen))
	}
}
