package codegen_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan"
)

// interesting are numbers at which arithmetic goes wrong.
var interesting = []int64{0, 1, -1, 2, 3, 7, 8, 63, 64, 100, -100, 255, 256, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, math.MaxInt64,
	math.MinInt64, math.MinInt64 + 1, 0x0123456789abcdef, -0x0123456789abcdef, 1 << 40}

// input is a number that the verifier does not know: it was read from a map.
func input(i int) plan.Expr { return &plan.MapGet{Map: 0, Key: []plan.Expr{num(int64(i))}, T: long} }

// evaluate computes expressions in the kernel. Inputs are the values under map 0.
func evaluate(t testing.TB, f codegen.Features, inputs []int64, exprs []plan.Expr) map[int64]int64 {
	t.Helper()
	p := begin()
	p.Maps = []plan.Map{valueMap("@in"), valueMap("@out")}
	var stmts []plan.Stmt
	for i, v := range inputs {
		stmts = append(stmts, &plan.MapSet{Map: 0, Key: []plan.Expr{num(int64(i))}, X: num(v)})
	}
	for i, e := range exprs {
		stmts = append(stmts, &plan.MapSet{Map: 1, Key: []plan.Expr{num(int64(i))}, X: e})
	}
	p.Probes[0].Bodies[0].Stmts = stmts
	return values(t, run(t, p, f), 1)
}

func TestOperatorsGiveWhatGoGives(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		ops := []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||"}
		var exprs []plan.Expr
		var want []int64
		var names []string
		inputs := interesting
		for i, a := range inputs {
			for _, j := range []int{0, 1, 2, 4, (i * 7) % len(inputs), (i*5 + 3) % len(inputs)} {
				op := ops[len(exprs)%len(ops)]
				for _, signed := range []bool{true, false} {
					for _, e := range []*plan.Binary{
						{Op: op, X: input(i), Y: input(j), Signed: signed, T: long},
						{Op: op, X: input(i), Y: num(inputs[j]), Signed: signed, T: long},
					} {
						exprs = append(exprs, e)
						want = append(want, goBinary(op, a, inputs[j], signed))
						names = append(names, fmt.Sprintf("%d %s %d signed %v", a, op, inputs[j], signed))
					}
				}
			}
		}
		got := evaluate(t, f, inputs, exprs)
		for i := range exprs {
			if got[int64(i)] != want[i] {
				t.Errorf("%s = %d, want %d", names[i], got[int64(i)], want[i])
			}
		}
	})
}

func goBinary(op string, a, b int64, signed bool) int64 {
	truth := func(v bool) int64 {
		if v {
			return 1
		}
		return 0
	}
	less := uint64(a) < uint64(b)
	if signed {
		less = a < b
	}
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/", "%":
		switch {
		case b == 0:
			return 0
		case signed && op == "/":
			return a / b
		case signed:
			return a % b
		case op == "/":
			return int64(uint64(a) / uint64(b))
		}
		return int64(uint64(a) % uint64(b))
	case "&":
		return a & b
	case "|":
		return a | b
	case "^":
		return a ^ b
	case "<<":
		return a << (b & 63)
	case ">>":
		if signed {
			return a >> (b & 63)
		}
		return int64(uint64(a) >> (b & 63))
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(less)
	case "<=":
		return truth(less || a == b)
	case ">":
		return truth(!less && a != b)
	case ">=":
		return truth(!less)
	case "&&":
		return truth(a != 0 && b != 0)
	}
	return truth(a != 0 || b != 0)
}

// tree makes a random expression and its value.
func tree(r *rand.Rand, inputs []int64, depth int) (plan.Expr, int64) {
	if depth == 0 {
		if r.IntN(3) == 0 {
			v := interesting[r.IntN(len(interesting))]
			return num(v), v
		}
		i := r.IntN(len(inputs))
		return input(i), inputs[i]
	}
	x, a := tree(r, inputs, depth-1-r.IntN(depth))
	switch r.IntN(8) {
	case 0:
		op := []string{"-", "~", "!"}[r.IntN(3)]
		v := map[string]int64{"-": -a, "~": ^a, "!": goBinary("==", a, 0, true)}[op]
		return &plan.Unary{Op: op, X: x, T: long}, v
	case 1:
		typ := plan.Type{Kind: plan.IntType, Size: []int{1, 2, 4, 8}[r.IntN(4)], Signed: r.IntN(2) == 0}
		return &plan.Cast{X: x, T: typ}, cast(a, typ)
	case 2:
		y, b := tree(r, inputs, depth-1)
		z, c := tree(r, inputs, depth-1)
		if a == 0 {
			b = c
		}
		return &plan.Choose{C: x, X: y, Y: z, T: long}, b
	}
	ops := []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||"}
	op, signed := ops[r.IntN(len(ops))], r.IntN(2) == 0
	y, b := tree(r, inputs, depth-1)
	return &plan.Binary{Op: op, X: x, Y: y, Signed: signed, T: long}, goBinary(op, a, b, signed)
}

func cast(v int64, t plan.Type) int64 {
	shift := 64 - 8*t.Size
	if t.Signed {
		return v << shift >> shift
	}
	return int64(uint64(v) << shift >> shift)
}

func TestRandomExpressionsHaveTheirValue(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		for seed := range uint64(12) {
			randomExpressions(t, f, seed)
		}
	})
}

// Any expression has the value in the kernel that it has in Go.
func FuzzExpressionsHaveTheirValue(f *testing.F) {
	kernels := []codegen.Features{features(f), {RingBuf: true}}
	f.Add(uint64(100), false)
	f.Fuzz(func(t *testing.T, seed uint64, old bool) {
		kernel := kernels[0]
		if old {
			kernel = kernels[1]
		}
		randomExpressions(t, kernel, seed)
	})
}

func randomExpressions(t *testing.T, f codegen.Features, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	inputs := make([]int64, 6)
	for i := range inputs {
		inputs[i] = interesting[r.IntN(len(interesting))]
	}
	var exprs []plan.Expr
	var want []int64
	for range 40 {
		e, v := tree(r, inputs, 1+r.IntN(4))
		exprs, want = append(exprs, e), append(want, v)
	}
	got := evaluate(t, f, inputs, exprs)
	for i := range exprs {
		if got[int64(i)] != want[i] {
			t.Errorf("seed %d, expression %d: %d, want %d", seed, i, got[int64(i)], want[i])
		}
	}
}
