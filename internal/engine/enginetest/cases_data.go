package enginetest

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

func load(addr plan.Expr, size int) plan.Expr {
	return &plan.Load{Addr: addr, Size: size, T: plan.Type{Kind: plan.IntType, Size: size, Signed: true}}
}

func memoryCases() []Case {
	const long = "a name that is rather longer than those before it"
	return []Case{{
		Name: "strings are read at the entry and at the return", Workload: "greet",
		Plan: func(b *Builder) {
			result := textArg("", 1)
			e := b.emission(plan.Emission{Kind: plan.EmitCall, Frame: true, Entry: 1,
				Slots: []plan.Slot{{Kind: plan.SlotStr, X: reg(ctype.RAX), Size: 200}},
				Shape: plan.Shape{Args: []plan.Node{textArg("name", 0)}, Result: &result}})
			frame := &plan.Frame{Slots: []plan.Slot{{Kind: plan.SlotStr, X: reg(ctype.RDI), Size: 200}}}
			b.onReturn(plan.Body{Frame: frame, Stmts: []plan.Stmt{e}}, plan.Trampoline, "greet")
		},
		Events: []string{`greet(name="world") = "hello world"`, `greet(name="") = "hello "`, fmt.Sprintf("greet(name=%q) = %q", long, "hello "+long)},
		Counts: Account{Hits: 3, Events: 3},
	}, {
		Name: "a string longer than its limit is cut and counted", Workload: "greet",
		Plan: func(b *Builder) {
			e := b.emission(plan.Emission{Kind: plan.EmitCall, Slots: []plan.Slot{{Kind: plan.SlotStr, X: reg(ctype.RDI), Size: 6}},
				Shape: plan.Shape{Args: []plan.Node{textArg("name", 0)}}})
			b.onEntry(plan.Body{Stmts: []plan.Stmt{e}}, "greet")
		},
		Events: []string{`greet(name="world")`, `greet(name="")`, `greet(name="a name"...)`},
		Counts: Account{Hits: 3, Events: 3, Truncated: 1},
	}, {
		Name: "text on a page not yet touched is read and bad pointers are said to be bad", Workload: "untouched",
		Plan: func(b *Builder) {
			e := b.emission(plan.Emission{Kind: plan.EmitCall, Slots: []plan.Slot{{Kind: plan.SlotStr, X: reg(ctype.RDI), Size: 64}},
				Shape: plan.Shape{Args: []plan.Node{textArg("text", 0)}}})
			b.onEntry(plan.Body{Stmts: []plan.Stmt{e}}, "peek")
		},
		Events: []string{`peek(text="fresh")`, `2 * peek(text=<unreadable>)`},
		Counts: Account{Hits: 3, Events: 3, Unreadable: 1},
	}, {
		Name: "members of a structure are read through its pointer", Workload: "norm",
		Plan: func(b *Builder) {
			p := reg(ctype.RDI)
			b.onEntry(plan.Body{Stmts: []plan.Stmt{
				b.printf("x %d y %d", load(p, 4), load(binary("+", p, num(4)), 4)),
				&plan.If{
					Cond: load(binary("+", p, num(8)), 8),
					Then: []plan.Stmt{b.printf("label %s", &plan.Str{Addr: load(binary("+", p, num(8)), 8), Max: 16})},
				},
			}}, "norm")
		},
		Events: []string{"x 3 y 4", "label p", "x -1 y 2"}, Counts: Account{Hits: 2, Events: 3},
	}}
}

// aggregate feeds n, the parameter of leaf, to a map without key or with the key n%4.
func (b *Builder) aggregate(m plan.Map, keyed bool, x plan.Expr) {
	var key []plan.Expr
	if keyed {
		m.Keys, m.Part = []plan.Type{long}, []string{"n"}
		key = []plan.Expr{binary("%", reg(ctype.RDI), num(4))}
	}
	m.Value = long
	at := b.aMap(m)
	b.onEntry(plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: at, Key: key, X: x}}}, "leaf")
}

func mapCases() []Case {
	n := reg(ctype.RDI)
	one := func(name string, m plan.Map, keyed bool, x plan.Expr, maps ...string) Case {
		return Case{Name: name, Workload: "leaf", Plan: func(b *Builder) { b.aggregate(m, keyed, x) }, Maps: maps, Counts: Account{Hits: 1000}}
	}
	return []Case{
		one("count without key", plan.Map{Name: "n", Kind: event.AggCount}, false, nil, "@n: 1000"),
		one("count by key", plan.Map{Kind: event.AggCount}, true, nil, "@[0]: 250", "@[1]: 250", "@[2]: 250", "@[3]: 250"),
		one("sum by key", plan.Map{Kind: event.AggSum}, true, n, "@[0]: 124500", "@[1]: 124750", "@[2]: 125000", "@[3]: 125250"),
		one("min and negative numbers", plan.Map{Kind: event.AggMin}, false, binary("-", num(3), n), "@: -996"),
		one("max", plan.Map{Kind: event.AggMax}, true, n, "@[0]: 996", "@[1]: 997", "@[2]: 998", "@[3]: 999"),
		one("avg", plan.Map{Kind: event.AggAvg}, false, n, "@: count 1000 sum 499500"),
		one("lhist", plan.Map{Kind: event.AggLhist, Min: 100, Max: 900, Step: 400}, false, n,
			"@: count 1000 sum 499500 [-9223372036854775808,100)100 [100,500)400 [500,900)400 [900,9223372036854775807)100"),
		one("hist", plan.Map{Kind: event.AggHist}, false, binary("/", n, num(250)),
			"@: count 1000 sum 1500 [0,1)250 [1,2)250 [2,4)500"),
		{
			Name: "values are assigned and added to", Workload: "add",
			Plan: func(b *Builder) {
				m := b.aMap(plan.Map{Name: "x", Kind: event.AggValue, Keys: []plan.Type{long}, Part: []string{"k"}, Value: long})
				b.onEntry(plan.Body{Stmts: []plan.Stmt{
					&plan.MapSet{Map: m, Key: []plan.Expr{num(1)}, X: reg(ctype.RSI)},
					&plan.MapAdd{Map: m, Key: []plan.Expr{num(2)}, X: reg(ctype.RDI)},
					&plan.MapSet{Map: m, Key: []plan.Expr{num(3)}, X: num(7)},
					&plan.MapDelete{Map: m, Key: []plan.Expr{num(3)}},
				}}, "add")
			},
			Maps: []string{"@x[1]: -9801", "@x[2]: 4950"}, Counts: Account{Hits: 100},
		}, {
			Name: "calls are counted by stack", Workload: "leaf",
			Plan: func(b *Builder) {
				stack := plan.Type{Kind: plan.StackType, Size: 8 * 16}
				m := b.aMap(plan.Map{Kind: event.AggCount, Keys: []plan.Type{stack}, Part: []string{"ustack"}})
				b.onEntry(plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: m, Key: []plan.Expr{&plan.UserStack{Frames: 16}}}}}, "leaf")
			},
			Maps: []string{"@[stack]: 1000"}, Counts: Account{Hits: 1000},
		},
	}
}

func limitCases() []Case {
	return []Case{{
		Name: "keys for which a map has no room are lost and counted", Workload: "leaf",
		Plan: func(b *Builder) {
			b.plan.Limits.Keys = 10
			m := b.aMap(plan.Map{Kind: event.AggCount, Keys: []plan.Type{long}, Part: []string{"n"}})
			b.onEntry(plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: m, Key: []plan.Expr{reg(ctype.RDI)}}}}, "leaf")
		},
		Maps:   lines(10, func(i int) string { return fmt.Sprintf("@[%d]: 1", i) }),
		Counts: Account{Hits: 1000, Lost: 990},
	}, {
		Name: "calls for which there is no room are lost and counted", Workload: "down",
		Plan: func(b *Builder) {
			b.plan.Limits.Frames = 3
			b.onReturn(b.call("n"), plan.Trampoline, "down")
		},
		Events: []string{"10 * down(n=7) = 7", "10 * down(n=6) = 6", "10 * down(n=5) = 5"},
		Counts: Account{Hits: 80, Events: 30, Lost: 50},
	}}
}
