//go:build linux && amd64

package translate_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// comparable replaces what is never twice the same, and the control group, which nobody here knows.
func comparable(p *plan.Plan) {
	p.Walk(func(node any) {
		v, ok := node.(*plan.Value)
		if !ok {
			return
		}
		switch v.B {
		case plan.Nsecs, plan.Elapsed, plan.Rand, plan.Cgroup:
			v.B = plan.TID
		}
	})
}

// outcome is what a plan leaves behind.
type outcome struct {
	cells    map[string]string
	records  []string
	counters []uint64
}

// plain is a record without its time.
func plain(record []byte) string {
	r := slices.Clone(record)
	clear(r[plan.RecordTime : plan.RecordTime+8])
	return string(r)
}

// The programs of random plans, made for the kernel and for here, do the same: records, cells, counters.
func TestPlansDoWhatTheyDoInTheKernel(t *testing.T) {
	fixture.NeedRoot(t)
	onOneCPU(t)
	f, err := kernel.Features(kernel.AllNeeds())
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for i := range uint64(max(*programs/10, 10)) {
		seed := *seedFlag + i
		p := plantest.Random(rand.New(rand.NewPCG(seed, 2)))
		comparable(p)
		p.Filter = plan.Filter{}
		want, got := planInKernel(t, p, f), planHere(t, p, f.CPUs)
		records += len(want.records)
		compareOutcomes(t, want, got)
		if t.Failed() {
			t.Fatalf("-seed %d", seed)
		}
	}
	if records == 0 {
		t.Error("no plan sent a record")
	}
}

func compareOutcomes(t *testing.T, want, got *outcome) {
	t.Helper()
	if !maps.Equal(want.cells, got.cells) {
		t.Errorf("cells are %x, the kernel's %x", got.cells, want.cells)
	}
	if !slices.Equal(want.counters, got.counters) {
		t.Errorf("counters are %d, the kernel's %d", got.counters, want.counters)
	}
	if !slices.Equal(want.records, got.records) {
		t.Errorf("records are %x, the kernel's %x", got.records, want.records)
	}
}

const planRuns = 3

func planInKernel(t *testing.T, p *plan.Plan, f codegen.Features) *outcome {
	t.Helper()
	code, err := codegen.Compile(p, f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := &outcome{cells: map[string]string{}}
	for range planRuns {
		if err := s.Run(0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Read(time.Time{}, func(b []byte) { o.records = append(o.records, plain(b)) }); err != nil {
		t.Fatal(err)
	}
	for m := range p.Maps {
		if err := s.Cells(m, o.cell(m)); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	o.counters = counts.Of[:]
	return o
}

// cell notes a cell of a map.
func (o *outcome) cell(m int) func(key []byte, values [][]byte) error {
	return func(key []byte, values [][]byte) error {
		// How many CPUs have values, and which, is the engine's business.
		values = slices.DeleteFunc(slices.Clone(values), func(v []byte) bool { return len(bytes.Trim(v, "\x00")) == 0 })
		o.cells[fmt.Sprintf("%d %x", m, key)] = strings.TrimRight(string(slices.Concat(values...)), "\x00")
		return nil
	}
}

func planHere(t *testing.T, p *plan.Plan, cpus int) *outcome {
	t.Helper()
	code, err := codegen.Compile(p, translate.Features(cpus))
	if err != nil {
		t.Fatal(err)
	}
	h := newPlace(t, translate.Specs(code)...)
	if err := translate.Fill(code, h.layout, h.mem); err != nil {
		t.Fatal(err)
	}
	var run []uint64
	for i := range code.Progs {
		// Those that are run by nobody here are translated all the same.
		at := h.add(t, code.Progs[i].Spec.Instructions)
		if code.Progs[i].Probe == 0 && code.Progs[i].Part == codegen.RunPart {
			run = append(run, at)
		}
	}
	if err := h.space.Seal(); err != nil {
		t.Fatal(err)
	}
	for range planRuns {
		for _, at := range run {
			h.call(at)
		}
	}
	return h.outcome(t, p, code)
}

// outcome reads what programs left behind.
func (h *place) outcome(t *testing.T, p *plan.Plan, code *codegen.Program) *outcome {
	t.Helper()
	o := &outcome{cells: map[string]string{}, counters: make([]uint64, plan.Counters)}
	if h.layout.Map(codegen.RingMap) != nil {
		r, err := h.layout.Reader(h.mem, codegen.RingMap)
		if err != nil {
			t.Fatal(err)
		}
		r.Drain(func(b []byte) { o.records = append(o.records, plain(b)) })
	}
	for m := range p.Maps {
		table, err := h.layout.Table(h.mem, codegen.MapName(m))
		if err != nil {
			continue // no program uses it
		}
		note := o.cell(m)
		if err := table.Cells(func(key []byte, values [][]byte) error {
			if stripes, ok := code.Stripes[m]; ok {
				values = stripes.Split(values[0])
			}
			return note(key, values)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if table, err := h.layout.Table(h.mem, codegen.StatsMap); err == nil {
		table.Cells(func(_ []byte, values [][]byte) error {
			for _, v := range values {
				for c := range o.counters {
					o.counters[c] += binary.NativeEndian.Uint64(v[8*c:])
				}
			}
			return nil
		})
	}
	return o
}

// A value that a script sets and one that it removes, where another thread holds the table for good, are counted as lost.
func TestChangesThatAreGivenUpAreCounted(t *testing.T) {
	long := plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
	key := func() []plan.Expr { return []plan.Expr{&plan.Const{V: 7, T: long}} }
	p := &plan.Plan{Maps: []plan.Map{{Name: "a", Keys: []plan.Type{long}, Value: long}}, Probes: []plan.Probe{{Kind: plan.Begin,
		Bodies: []plan.Body{{Stmts: []plan.Stmt{&plan.MapSet{Key: key(), X: &plan.Const{V: 1, T: long}}, &plan.MapDelete{Key: key()}}}}}}}
	code, err := codegen.Compile(p, translate.Features(1))
	if err != nil {
		t.Fatal(err)
	}
	h := newPlace(t, translate.Specs(code)...)
	at := h.add(t, code.Progs[0].Spec.Instructions)
	if err := h.space.Seal(); err != nil {
		t.Fatal(err)
	}
	m := h.layout.Map(codegen.MapName(0))
	for b := range m.Buckets {
		binary.LittleEndian.PutUint32(h.mem[m.Heads+8*b+4:], 4_000_000)
	}
	h.call(at)
	if lost := h.outcome(t, p, code).counters[plan.CountLostMap]; lost != 2 {
		t.Errorf("%d changes were counted as lost, want 2", lost)
	}
}
