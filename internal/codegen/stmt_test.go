package codegen_test

import (
	"encoding/binary"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan"
)

func at(m int, key int64) *plan.MapGet {
	return &plan.MapGet{Map: m, Key: []plan.Expr{num(key)}, T: long}
}

func set(key int64, x plan.Expr) plan.Stmt {
	return &plan.MapSet{Map: 0, Key: []plan.Expr{num(key)}, X: x}
}

func add(key int64, x plan.Expr) plan.Stmt {
	return &plan.MapAdd{Map: 0, Key: []plan.Expr{num(key)}, X: x}
}

func v(i int) *plan.VarRef { return &plan.VarRef{Var: i, T: long} }

func op(x plan.Expr, op string, y plan.Expr) plan.Expr {
	return &plan.Binary{Op: op, X: x, Y: y, Signed: true, T: long}
}

// execute runs statements with numbers in map 0 and three number variables, and gives map 0.
func execute(t *testing.T, f codegen.Features, counters map[plan.Counter]uint64, stmts ...plan.Stmt) map[int64]int64 {
	t.Helper()
	p := begin(stmts...)
	p.Maps = []plan.Map{valueMap("@")}
	p.Vars = []plan.Var{{Name: "$a", Type: long}, {Name: "$b", Type: long}, {Name: "$c", Type: long}}
	s := run(t, p, f)
	wantCounts(t, s, counters)
	return values(t, s, 0)
}

func want(t *testing.T, got, want map[int64]int64) {
	t.Helper()
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("@[%d] = %d, want none", k, got[k])
		}
	}
	for k, n := range want {
		if value, ok := got[k]; !ok || value != n {
			t.Errorf("@[%d] = %d (there: %v), want %d", k, value, ok, n)
		}
	}
}

func TestMapsAreSetAddedToAskedAndDeleted(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		has := func(key int64) plan.Expr { return &plan.MapHas{Map: 0, Key: []plan.Expr{num(key)}} }
		got := execute(t, f, nil,
			set(1, num(10)), add(1, num(5)), add(2, num(-7)), add(2, at(0, 1)),
			set(3, at(0, 99)), set(4, has(3)), set(5, has(98)),
			set(6, num(1)), &plan.MapDelete{Map: 0, Key: []plan.Expr{num(6)}}, &plan.MapDelete{Map: 0, Key: []plan.Expr{num(97)}},
			set(7, op(has(3), "&&", has(6))), set(8, num(0)), add(9, num(0)),
		)
		want(t, got, map[int64]int64{1: 15, 2: 8, 3: 0, 4: 1, 5: 0, 7: 0, 8: 0, 9: 0})
	})
}

func TestBranchesAndVariables(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		got := execute(t, f, nil,
			set(1, v(0)), // not set: 0
			&plan.SetVar{Var: 0, X: num(5)},
			&plan.If{Cond: op(v(0), ">", at(0, 1)), Then: []plan.Stmt{&plan.SetVar{Var: 1, X: num(7)}}, Else: []plan.Stmt{&plan.SetVar{Var: 1, X: num(8)}}},
			set(2, v(1)),
			&plan.If{Cond: op(at(0, 2), "!=", num(7)), Then: []plan.Stmt{set(3, num(1))}},
			&plan.If{Cond: &plan.Unary{Op: "!", X: op(at(0, 2), "==", num(7)), T: long}, Then: []plan.Stmt{set(4, num(1))}, Else: []plan.Stmt{
				&plan.If{Cond: v(2), Then: nil, Else: []plan.Stmt{set(5, op(v(0), "*", v(1)))}},
			}},
			&plan.If{Cond: op(at(0, 5), "==", num(35)), Then: []plan.Stmt{&plan.Finish{}, set(6, num(1))}},
			set(7, num(1)),
		)
		want(t, got, map[int64]int64{1: 0, 2: 7, 5: 35})
	})
}

func TestLoopsRunBreakContinueAndAreBounded(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		step := func(i int) plan.Stmt { return &plan.SetVar{Var: i, X: op(v(i), "+", num(1))} }
		got := execute(t, f, map[plan.Counter]uint64{plan.CountTruncated: 2},
			// for a = 0; a < 100; a++, with continue at odd ones and break at 50
			&plan.Loop{Cond: op(v(0), "<", num(100)), Max: 1024, Body: []plan.Stmt{
				step(0),
				&plan.If{Cond: op(v(0), "&", num(1)), Then: []plan.Stmt{&plan.Continue{}}},
				&plan.If{Cond: op(v(0), "==", num(50)), Then: []plan.Stmt{&plan.Break{}}},
				add(1, v(0)),
			}},
			set(2, v(0)),
			// bounded
			&plan.Loop{Cond: num(1), Max: 20, Body: []plan.Stmt{add(3, num(1))}},
			// exactly as often as allowed
			&plan.Loop{Cond: op(v(1), "<", num(20)), Max: 20, Body: []plan.Stmt{step(1)}},
			set(4, v(1)),
			// one in another
			&plan.Loop{Cond: op(v(2), "<", num(8)), Max: 100, Body: []plan.Stmt{
				step(2),
				&plan.SetVar{Var: 1, X: num(0)},
				&plan.Loop{Cond: op(v(1), "<", v(2)), Max: 100, Body: []plan.Stmt{step(1), add(5, num(1))}},
			}},
			&plan.Loop{Cond: num(0), Max: 5, Body: []plan.Stmt{set(6, num(1))}},
			&plan.Loop{Cond: num(1), Max: 0, Body: []plan.Stmt{set(7, num(1))}},
			&plan.Loop{Cond: num(1), Max: 5, Body: []plan.Stmt{&plan.Finish{}}},
			set(8, num(1)),
		)
		want(t, got, map[int64]int64{1: 24 * 25, 2: 50, 3: 20, 4: 20, 5: 36})
	})
}

func TestALoopTooLongForTheVerifierIsCutAndCounted(t *testing.T) {
	f := features(t)
	f.MayGoto = false
	const most = 1_000_000
	got := execute(t, f, map[plan.Counter]uint64{plan.CountTruncated: 1},
		&plan.Loop{Cond: num(1), Max: most, Body: []plan.Stmt{add(1, num(1))}})
	if got[1] < 100 || got[1] >= most {
		t.Errorf("%d rounds", got[1])
	}
}

func TestKeysOfSeveralPartsAreTold(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		p := begin()
		p.Maps = []plan.Map{{Name: "@", Kind: event.AggCount, Keys: []plan.Type{text(100), long, text(0)}, Value: ulong}}
		count := func(a string, n int64, b string) plan.Stmt {
			return &plan.MapAggregate{Map: 0, Key: []plan.Expr{&plan.Text{S: a}, num(n), &plan.Text{S: b}}}
		}
		p.Probes[0].Bodies[0].Stmts = []plan.Stmt{count("a", 1, "b"), count("a", 1, "b"), count("a", 2, "b"), count("a", 1, ""), count("", 1, "b")}
		s := run(t, p, f)
		got := map[string]uint64{}
		err := s.Cells(0, func(key []byte, values [][]byte) error {
			for _, v := range values {
				got[string(key)] += binary.NativeEndian.Uint64(v)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		key := func(a string, n byte, b string) string {
			k := append(padded(a, 104), n, 0, 0, 0, 0, 0, 0, 0)
			return string(append(k, padded(b, 64)...))
		}
		for k, n := range map[string]uint64{key("a", 1, "b"): 2, key("a", 2, "b"): 1, key("a", 1, ""): 1, key("", 1, "b"): 1} {
			if got[k] != n {
				t.Errorf("key %q: %d, want %d", k, got[k], n)
			}
			delete(got, k)
		}
		if len(got) > 0 {
			t.Errorf("more keys: %v", got)
		}
	})
}
