package interp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// repeatable is a random plan whose BEGIN does the same twice: without clocks and chance.
func repeatable(seed uint64) *plan.Plan {
	p := plantest.Random(rand.New(rand.NewPCG(seed, 3)))
	p.Filter, p.Probes = plan.Filter{}, p.Probes[:1]
	p.Walk(func(node any) {
		if v, ok := node.(*plan.Value); ok {
			switch v.B {
			case plan.Nsecs, plan.Elapsed, plan.Rand, plan.CPU, plan.Cgroup:
				v.B = plan.TID
			}
		}
	})
	return p
}

// outcome is what a run of BEGIN leaves.
type outcome struct {
	records [][]byte
	maps    []string
	counts  [plan.Counters]uint64
}

// inKernel runs BEGIN as eBPF.
func inKernel(t *testing.T, p *plan.Plan) (o outcome) {
	t.Helper()
	features, err := kernel.Features(kernel.AllNeeds())
	if err != nil {
		t.Fatal(err)
	}
	code, err := codegen.Compile(p, features)
	if err != nil {
		t.Fatal(err)
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(0); err != nil {
		t.Fatal(err)
	}
	if err := s.Read(time.Now(), func(r []byte) { o.records = append(o.records, bytes.Clone(r)) }); err != nil {
		t.Fatal(err)
	}
	o.maps = mapsOf(t, p, s.Cells)
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	o.counts = counts.Of
	return o
}

// here runs BEGIN without.
func here(t *testing.T, p *plan.Plan) (o outcome) {
	t.Helper()
	m := interp.New(p, 0, func(r []byte) { o.records = append(o.records, r) })
	comm, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil {
		t.Fatal(err)
	}
	m.Run(0, &interp.Hit{PID: os.Getpid(), TID: unix.Gettid(), Comm: strings.TrimSpace(string(comm))})
	o.maps, o.counts = mapsOf(t, p, m.Cells), m.Counts
	return o
}

func mapsOf(t *testing.T, p *plan.Plan, cells func(int, func([]byte, [][]byte) error) error) []string {
	t.Helper()
	d := plan.NewDecoder(p, plan.Clock{Wall: time.Unix(0, 0)}, nil)
	var lines []string
	for i := range p.Maps {
		m, err := d.Map(i, func(fn func([]byte, [][]byte) error) error { return cells(i, fn) }, func(uint64) []uint64 { return nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Entries {
			if e.Agg.Kind != event.AggValue && e.Agg.Kind != event.AggSum && e.Agg.Count == 0 {
				continue // the entry of an array, never written
			}
			lines = append(lines, fmt.Sprintf("%s %+v: %+v", m.Name, e.Key, e.Agg))
		}
	}
	slices.Sort(lines)
	return lines
}

// timeless gives a record without its time.
func timeless(record []byte) []byte {
	binary.LittleEndian.PutUint64(record[plan.RecordTime:], 0)
	return record
}

// What plans mean here is what they mean in the kernel: every expression, statement, slot and map of the IR.
func TestPlansMeanWhatTheyMeanInTheKernel(t *testing.T) {
	fixture.NeedRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const seeds = 150
	records, entries := 0, 0
	for seed := range uint64(seeds) {
		p := repeatable(seed)
		want, got := inKernel(t, p), here(t, p)
		records, entries = records+len(want.records), entries+len(want.maps)
		if len(want.records) != len(got.records) {
			t.Errorf("seed %d: %d records, want %d", seed, len(got.records), len(want.records))
			continue
		}
		for i := range want.records {
			if w, g := timeless(want.records[i]), timeless(got.records[i]); !bytes.Equal(w, g) {
				t.Errorf("seed %d: record %d of kind %d\ngot  %x\nwant %x", seed, i, p.Emissions[w[0]].Kind, g, w)
			}
		}
		if !reflect.DeepEqual(want.maps, got.maps) {
			t.Errorf("seed %d: maps\ngot  %s\nwant %s", seed, strings.Join(got.maps, "\n     "), strings.Join(want.maps, "\n     "))
		}
		if want.counts != got.counts {
			t.Errorf("seed %d: counts %v, want %v", seed, got.counts, want.counts)
		}
	}
	if records < seeds || entries < seeds/2 {
		t.Errorf("%d records and %d entries: the test sees too little", records, entries)
	}
}
