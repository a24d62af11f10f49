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
		Name: "script shows numbers as what they stand for", Workload: "add",
		Script: `uprobe:PROGRAM:add /arg0 < 3/ { @kept[ntop(AF_INET6, arg0)] = strerror(arg0); printf("%s %s %s\n", strftime("then", nsecs), ntop(arg0), @kept[ntop(AF_INET6, arg0)]); }`,
		Events: []string{"then 0.0.0.0 Success", "then 1.0.0.0 Operation not permitted", "then 2.0.0.0 No such file or directory"},
		Maps:   []string{`@kept["::"]: "Success"`, `@kept["100::"]: "Operation not permitted"`, `@kept["200::"]: "No such file or directory"`},
		Counts: Account{Hits: 100, Events: 3, Filtered: 97},
	}, {
		Name: "script compares functions and probes with names", Workload: "add",
		Script: `uprobe:PROGRAM:ad? /func == "add" && probe == "uprobe:PROGRAM:add"/ { @was[0] = func; @[@was[0] != "leaf", @was[1] == "add", @was[1]] = count(); }`,
		Maps:   []string{`@was[0]: "add"`, `@[1, 0, ""]: 100`}, Counts: Account{Hits: 100},
	}, {
		Name: "script reads an address as text at the entry", Workload: "norm",
		Script: `uretprobe:PROGRAM:norm { printf("%s %d\n", ntop((uint32)args.p->x), retval); }`,
		Events: []string{"3.0.0.0 25", "255.255.255.255 5"}, Counts: Account{Hits: 2, Events: 2},
	}, {
		Name: "script of macros", Workload: "add",
		Script: `macro square(x) { (x) * (x) } macro note(@m, x) { $sq = square(x); @m[$sq] = count(); } uprobe:PROGRAM:add /arg0 < 3/ { $sq = 7; note(@s, arg0 - 1); note(@s, $sq); }`,
		Maps:   []string{"@s[1]: 2", "@s[0]: 1", "@s[49]: 3"}, Counts: Account{Hits: 100, Filtered: 97},
	}, {
		Name: "script loop", Workload: "add",
		Script: `uprobe:PROGRAM:add /arg0 < 5/ { $i = 0; while ($i < arg0) { @loops++; $i++; } }`,
		Maps:   []string{"@loops: 10"}, Counts: Account{Hits: 100, Filtered: 95},
	}}
}
