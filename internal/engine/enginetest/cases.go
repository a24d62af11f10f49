package enginetest

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Cases is the table.
func Cases() []Case {
	var all []Case
	for _, some := range [][]Case{entryCases(), callCases(), filterCases(), memoryCases(), mapCases(), limitCases(), scriptCases()} {
		all = append(all, some...)
	}
	return all
}

// lines writes one line for each of n numbers.
func lines(n int, line func(i int) string) []string {
	var all []string
	for i := range n {
		all = append(all, line(i))
	}
	return all
}

// trace sends a record at every entry, with the numbers in the registers of its parameters.
func (b *Builder) trace(function string, params ...string) {
	registers := []ctype.Register{ctype.RDI, ctype.RSI, ctype.RDX}[:len(params)]
	e := plan.Emission{Kind: plan.EmitCall, Slots: ints(registers...)}
	for i, name := range params {
		e.Args = append(e.Args, arg(name, i))
	}
	b.onEntry(plan.Body{Stmts: []plan.Stmt{b.emission(e)}}, function)
}

// traceText sends a record with the name of the thread at every entry: one whose size is not known beforehand.
func (b *Builder) traceText(function string) {
	comm := &plan.Value{B: plan.Comm, T: plan.Type{Kind: plan.StrType, Size: plan.CommSize}}
	b.onEntry(plan.Body{Stmts: []plan.Stmt{b.printf("%s", comm)}}, function)
}

// call is a body that keeps the numbers in the registers of a function's parameters and sends them with its result.
func (b *Builder) call(params ...string) plan.Body {
	registers := []ctype.Register{ctype.RDI, ctype.RSI, ctype.RDX}[:len(params)]
	e := plan.Emission{Kind: plan.EmitCall, Frame: true, Entry: len(params), Slots: ints(ctype.RAX)}
	for i, name := range params {
		e.Args = append(e.Args, arg(name, i))
	}
	result := arg("", len(params))
	e.Result = &result
	return plan.Body{Frame: &plan.Frame{Slots: ints(registers...)}, Stmts: []plan.Stmt{b.emission(e)}}
}

func entryCases() []Case {
	return []Case{{
		Name: "every call of every function is counted", Workload: "leaf",
		Plan: func(b *Builder) {
			m := b.aMap(plan.Map{Kind: event.AggCount, Keys: []plan.Type{function}, Part: []string{"func"}, Dense: true})
			key := []plan.Expr{&plan.Value{B: plan.Func, T: function}}
			b.onEntry(plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: m, Key: key}}}, "leaf", "add")
		},
		Maps: []string{`@["leaf"]: 1000`}, Counts: Account{Hits: 1000},
	}, {
		Name: "arguments are those of the call", Workload: "add",
		Plan:   func(b *Builder) { b.trace("add", "a", "b") },
		Events: lines(100, func(i int) string { return fmt.Sprintf("add(a=%d, b=%d)", i, -i*i) }),
		Counts: Account{Hits: 100, Events: 100},
	}, {
		Name: "every thread is observed", Workload: "threads",
		Plan:   func(b *Builder) { b.trace("leaf", "n") },
		Events: lines(4, func(i int) string { return fmt.Sprintf("500 * leaf(n=%d)", i) }),
		Counts: Account{Hits: 2000, Events: 2000},
	}, {
		Name: "BEGIN runs before the program and END after it", Workload: "down", Ordered: true,
		Plan: func(b *Builder) {
			b.once(plan.Begin, "BEGIN", b.printf("begin %d\n", num(-1)))
			b.onEntry(plan.Body{Stmts: []plan.Stmt{b.printf("n is %d\n", reg(ctype.RDI))}}, "leaf")
			b.once(plan.End, "END", b.printf("end\n"))
		},
		Events: []string{"begin -1", "10 * n is 0", "end"}, Counts: Account{Hits: 10, Events: 12},
	}, {
		Name: "if and else part hits", Workload: "add",
		Plan: func(b *Builder) {
			b.onEntry(plan.Body{Stmts: []plan.Stmt{&plan.If{
				Cond: binary("<", reg(ctype.RDI), num(3)),
				Then: []plan.Stmt{b.printf("small %d", reg(ctype.RDI))},
				Else: []plan.Stmt{&plan.If{Cond: binary("==", reg(ctype.RDI), num(99)), Then: []plan.Stmt{b.emission(plan.Emission{Kind: plan.EmitExit, Code: 3})}}},
			}}}, "add")
		},
		Events: []string{"small 0", "small 1", "small 2", "exit 3"}, Counts: Account{Hits: 100, Events: 4},
	}}
}

func callCases() []Case {
	adds := lines(100, func(i int) string { return fmt.Sprintf("add(a=%d, b=%d) = %d", i, -i*i, i-i*i) })
	recursion := lines(8, func(i int) string {
		if i == 7 {
			return "10 * down(n=7) = 7"
		}
		return fmt.Sprintf("10 * down(n=%d) = %d depth %d", i, i, 7-i)
	})
	return []Case{{
		Name: "calls have arguments result and duration", Workload: "add",
		Plan:   func(b *Builder) { b.onReturn(b.call("a", "b"), plan.Trampoline, "add") },
		Events: adds, Counts: Account{Hits: 100, Events: 100},
	}, {
		Name: "calls seen at the instructions that leave are the same", Workload: "add",
		Plan:   func(b *Builder) { b.onReturn(b.call("a", "b"), plan.Sites, "add") },
		Events: adds, Counts: Account{Hits: 100, Events: 100},
	}, {
		Name: "recursive calls are told apart", Workload: "down",
		Plan: func(b *Builder) {
			body := b.call("n")
			body.Frame.Depth = true
			b.onReturn(body, plan.Trampoline, "down")
		},
		Events: recursion, Counts: Account{Hits: 80, Events: 80},
	}, {
		Name: "a tail call ends with the function it went to", Workload: "tail", Trampoline: true,
		Plan:   func(b *Builder) { b.onReturn(b.call("n"), plan.Trampoline, "leaves_by_jump") },
		Events: lines(5, func(i int) string { return fmt.Sprintf("leaves_by_jump(n=%d) = %d", i, i+2) }),
		Counts: Account{Hits: 5, Events: 5},
	}, {
		Name: "a tail call seen at its jump names where it went", Workload: "tail",
		Plan: func(b *Builder) {
			b.fn("target_of_tail")
			body := b.call("n")
			b.plan.Emissions[0].Result, b.plan.Emissions[0].Slots = nil, nil
			b.onReturn(body, plan.Sites, "leaves_by_jump")
		},
		Events: lines(5, func(i int) string { return fmt.Sprintf("leaves_by_jump(n=%d) tail-called target_of_tail", i) }),
		Counts: Account{Hits: 5, Events: 5},
	}, {
		Name: "calls left by longjmp are missed and do not disturb others", Workload: "jump",
		Plan: func(b *Builder) {
			b.onReturn(b.call("n"), plan.Trampoline, "jumps", "leaf")
		},
		Events: lines(4, func(i int) string { return fmt.Sprintf("leaf(n=%d) = %d", i, 2*i) }),
		Counts: Account{Hits: 10, Events: 4, Missed: 6},
	}, {
		Name: "a call that does not end is unfinished", Workload: "stay", Stays: true,
		Plan:   func(b *Builder) { b.onReturn(b.call("n"), plan.Trampoline, "leaf", "stays") },
		Events: []string{"leaf(n=1) = 2"}, Counts: Account{Hits: 2, Events: 1, Unfinished: 1},
	}}
}

func filterCases() []Case {
	someoneElse := uint32(12345)
	traceLeaf := func(b *Builder) { b.trace("leaf", "n") }
	return []Case{{
		Name: "a predicate on arguments lets through what it says", Workload: "add",
		Plan: func(b *Builder) {
			body := b.call("a", "b")
			body.Frame.Pred = binary(">=", reg(ctype.RDI), num(90))
			b.onReturn(body, plan.Trampoline, "add")
		},
		Events: lines(100, func(i int) string { return fmt.Sprintf("add(a=%d, b=%d) = %d", i, -i*i, i-i*i) })[90:],
		Counts: Account{Hits: 100, Events: 10, Filtered: 90},
	}, {
		Name: "a predicate on the result lets through what it says", Workload: "add",
		Plan: func(b *Builder) {
			body := b.call("a", "b")
			body.Pred = binary("==", binary("%", reg(ctype.RAX), num(10)), num(-2))
			b.onReturn(body, plan.Trampoline, "add")
		},
		Events: func() (some []string) {
			for i := range 100 {
				if (i-i*i)%10 == -2 {
					some = append(some, fmt.Sprintf("add(a=%d, b=%d) = %d", i, -i*i, i-i*i))
				}
			}
			return some
		}(),
		Counts: Account{Hits: 100, Events: 40, Filtered: 60},
	}, {
		Name: "children are left out unless asked for", Workload: "fork",
		Plan:   traceLeaf,
		Events: []string{"leaf(n=100)"}, Counts: Account{Hits: 1, Events: 1},
	}, {
		Name: "children and theirs are observed when asked for", Workload: "fork",
		Plan: func(b *Builder) {
			traceLeaf(b)
			b.plan.Filter.Children = true
		},
		Events: []string{"leaf(n=100)", "2 * leaf(n=0)", "2 * leaf(n=1)", "2 * leaf(n=2)"}, Counts: Account{Hits: 7, Events: 7},
	}, {
		Name: "another user's process is not observed", Workload: "leaf",
		Plan: func(b *Builder) {
			traceLeaf(b)
			b.plan.Filter.UID = &someoneElse
		},
	}, {
		Name: "another program's process is not observed", Workload: "leaf",
		Plan: func(b *Builder) {
			traceLeaf(b)
			b.plan.Filter.Comm = "nobody"
		},
	}, {
		Name: "another process is not observed", Workload: "leaf",
		Plan: func(b *Builder) {
			traceLeaf(b)
			b.plan.Filter.PIDs = []int{1, 2}
		},
	}}
}
