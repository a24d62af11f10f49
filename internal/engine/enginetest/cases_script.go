package enginetest

import "fmt"

// scriptCases are written as users write them. What makes plans of them has tests of its own; here it counts that the whole way
// gives the same with every engine.
func scriptCases() []Case {
	return []Case{{
		Name: "script counts by function", Workload: "add",
		Script: `uprobe:PROGRAM:ad?,uprobe:PROGRAM:/^leaf$/ { @calls[func] = count(); }`,
		Maps:   []string{`@calls["add"]: 100`}, Counts: Account{Hits: 100},
	}, {
		Name: "script reads parameters by name", Workload: "norm",
		Script: `uprobe:PROGRAM:norm { printf("%d %d %s\n", args.p->x, args.p->y, str(args.p->label)); }`,
		Events: []string{"3 4 p", "-1 2 <unreadable>"}, Counts: Account{Hits: 2, Events: 2},
	}, {
		Name: "script pairs entry and return of a call", Workload: "add",
		Script: `uretprobe:PROGRAM:add { @[args.a < 50, retval == args.a + args.b] = count(); }`,
		Maps:   []string{"@[1, 1]: 50", "@[0, 1]: 50"}, Counts: Account{Hits: 100},
	}, {
		Name: "script shows calls as their author wrote them", Workload: "add",
		Script: `uretprobe:PROGRAM:add { call(); }`,
		Events: lines(100, func(i int) string { return fmt.Sprintf("add(a=%d, b=%d) = %d", i, -i*i, i-i*i) }),
		Counts: Account{Hits: 100, Events: 100},
	}, {
		Name: "script sees results and filters by them", Workload: "down",
		Script: `uretprobe:PROGRAM:down /retval > 5/ { printf("%d\n", retval); }`,
		Events: []string{"10 * 6", "10 * 7"}, Counts: Account{Hits: 80, Events: 20, Filtered: 60},
	}, {
		Name: "script whole", Workload: "leaf", Ordered: true,
		Script: `BEGIN { printf("begin\n"); @limit = 3; }
uprobe:PROGRAM:leaf {
	$n = arg0;
	if ($n % 250 == 0 && $n / 250 < @limit) { printf("%d of %s\n", $n, "leaf"); @seen++; }
	@sum = sum($n);
}
END { printf("end %d\n", @seen); clear(@limit); }`,
		Events: []string{"begin", "0 of leaf", "250 of leaf", "500 of leaf", "end 3", "*event.MapClear"},
		Maps:   []string{"@limit: 3", "@seen: 3", "@sum: 499500"},
		Counts: Account{Hits: 1000, Events: 6},
	}, {
		Name: "script loop", Workload: "add",
		Script: `uprobe:PROGRAM:add /arg0 < 5/ { $i = 0; while ($i < arg0) { @loops++; $i++; } }`,
		Maps:   []string{"@loops: 10"}, Counts: Account{Hits: 100, Filtered: 95},
	}}
}
