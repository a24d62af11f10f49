package codegen_test

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

var (
	long     = plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
	ulong    = plan.Type{Kind: plan.IntType, Size: 8}
	function = plan.Type{Kind: plan.FuncType, Size: 8}
)

func text(size int) plan.Type { return plan.Type{Kind: plan.StrType, Size: size} }

func num(v int64) plan.Expr { return &plan.Const{V: v, T: long} }

func builtin(b plan.Builtin) plan.Expr { return &plan.Value{B: b, T: ulong} }

// features is what this kernel has.
func features(t testing.TB) codegen.Features {
	t.Helper()
	fixture.NeedRoot(t)
	f, err := kernel.Features(kernel.AllNeeds())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// eachKernel runs a test with the features of this kernel, and with those that older ones have.
func eachKernel(t *testing.T, fn func(t *testing.T, f codegen.Features)) {
	full := features(t)
	sleepless, old := full, full
	old.CPUv4, old.MayGoto, old.CopyFromUserStr, old.Multi = false, false, 0, false
	sleepless.Sleepable, sleepless.TaskStorage = false, false
	t.Run("this", func(t *testing.T) { fn(t, full) })
	t.Run("6.1", func(t *testing.T) { fn(t, old) })
	t.Run("sleepless", func(t *testing.T) { fn(t, sleepless) })
}

// load compiles a plan and loads it.
func load(t testing.TB, p *plan.Plan, f codegen.Features) *kernel.Session {
	t.Helper()
	code, err := codegen.Compile(p, f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		explain(t, code)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// explain shows the end of what the verifier says.
func explain(t testing.TB, code *codegen.Program) {
	t.Helper()
	_, err := ebpf.NewCollection(code.Collection())
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		log := refused.Log
		t.Logf("%s", strings.Join(log[max(0, len(log)-60):], "\n"))
	}
}

// begin is a plan that does something once.
func begin(stmts ...plan.Stmt) *plan.Plan {
	return &plan.Plan{Limits: plan.DefaultLimits(), Probes: []plan.Probe{{Kind: plan.Begin, Name: "BEGIN", Bodies: []plan.Body{{Stmts: stmts}}}}}
}

// run loads a plan and runs its first probe.
func run(t testing.TB, p *plan.Plan, f codegen.Features) *kernel.Session {
	t.Helper()
	s := load(t, p, f)
	if err := s.Run(0); err != nil {
		t.Fatal(err)
	}
	return s
}

// values reads a map of numbers by number.
func values(t testing.TB, s *kernel.Session, m int) map[int64]int64 {
	t.Helper()
	got := map[int64]int64{}
	err := s.Cells(m, func(key []byte, value [][]byte) error {
		k := int64(0)
		if len(key) >= 8 {
			k = int64(binary.NativeEndian.Uint64(key))
		} else {
			k = int64(binary.NativeEndian.Uint32(key))
		}
		for _, v := range value {
			got[k] += int64(binary.NativeEndian.Uint64(v))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func counts(t testing.TB, s *kernel.Session) engine.Counts {
	t.Helper()
	c, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantCounts compares counters; those that are not named must be 0.
func wantCounts(t testing.TB, s *kernel.Session, want map[plan.Counter]uint64) {
	t.Helper()
	got := counts(t, s)
	for c, n := range got.Of {
		if n != want[plan.Counter(c)] {
			t.Errorf("counter %d is %d, want %d", c, n, want[plan.Counter(c)])
		}
	}
}

// records drains the ring.
func records(t testing.TB, s *kernel.Session) [][]byte {
	t.Helper()
	var all [][]byte
	if err := s.Read(time.Time{}, func(b []byte) { all = append(all, append([]byte(nil), b...)) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// valueMap is a script map of assigned numbers under numbers.
func valueMap(name string) plan.Map {
	return plan.Map{Name: name, Kind: event.AggValue, Keys: []plan.Type{long}, Value: long}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// waitFor waits until something holds, or gives up.
func waitFor(t testing.TB, holds func() bool) {
	t.Helper()
	for range 6000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}
