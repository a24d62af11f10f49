package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
)

// metric is a row of the table.
type metric struct {
	name   string
	unit   string
	higher bool   // more is better
	plain  bool   // a fact without better or worse: no ratio
	of     string // tells rows of one name apart
}

func (m metric) key() string { return m.name + m.of }

// measure yields one or more metrics of a tool.
type measure struct {
	name    string
	metrics []metric
	once    bool // too long to repeat
	take    func(b *bed) ([]float64, error)
}

// bed is what a measure works with.
type bed struct {
	tool    tool
	victims victims
	scratch string
	slow    map[kind]error // why the tool is spared more functions
	round   int            // of throughput: which of the two runs comes first
}

// result is a median, or the reason why there is none.
type result struct {
	value float64
	err   error
}

// column is what one tool gave, by metric.
type column struct {
	tool    string
	results map[string]result
}

// measures is the list of what is measured, in the order of the table.
func measures() []measure {
	ms, ns := func(name string) []metric { return []metric{{name: name, unit: "ms"}} }, func(name string) []metric { return []metric{{name: name, unit: "ns"}} }
	return []measure{
		{name: "first", metrics: ms("start to first event"), take: (*bed).firstEvent},
		{name: "whole", metrics: []metric{{name: "whole run counting a short command", unit: "ms"}, {name: "peak memory of that run", unit: "MiB"}}, take: (*bed).wholeRun},
		{name: "count-push", metrics: ns("counted call, first instruction push"), take: cost(counting, "f_push")},
		{name: "count-endbr", metrics: ns("counted call, endbr64 then push"), take: cost(counting, "f_endbr")},
		{name: "count-mov", metrics: ns("counted call, first instruction mov"), take: cost(counting, "f_mov")},
		{name: "reject-push", metrics: ns("call rejected by a predicate, first instruction push"), take: cost(rejecting, "f_push")},
		{name: "pass-push", metrics: ns("call that passes a predicate, first instruction push"), take: cost(passing, "f_push")},
		{name: "pass-mov", metrics: ns("call that passes a predicate, first instruction mov"), take: cost(passing, "f_mov")},
		{name: "time-push", metrics: ns("timed call, first instruction push"), take: cost(timing, "f_push")},
		{name: "time-endbr", metrics: ns("timed call, endbr64 then push"), take: cost(timing, "f_endbr")},
		{name: "count-contended", metrics: ns("counted call, a thread on each CPU at once"), take: costOn(counting, "f_push", runtime.NumCPU())},
		{name: "record", metrics: ns("call recorded with three numbers and a short text"), take: cost(recording, "note")},
		{name: "redis-count", metrics: redisMetrics("counted"), take: redisUnder(counting)},
		{name: "redis-time", metrics: redisMetrics("timed"), take: redisUnder(timing)},
		{name: "together-1000", once: true, metrics: attachMetrics(1000, "together"), take: attach(together, 1000)},
		{name: "together-10000", once: true, metrics: attachMetrics(10000, "together"), take: attach(together, 10000)},
		{name: "each-1000", once: true, metrics: attachMetrics(1000, "each"), take: attach(each, 1000)},
		{name: "each-10000", once: true, metrics: attachMetrics(10000, "each"), take: attach(each, 10000)},
		{name: "read", once: true, metrics: readMetrics(), take: (*bed).read},
		{name: "printed", once: true, metrics: pacedMetrics(), take: (*bed).printed},
		{name: "record-1", once: true, metrics: lineMetrics("printf of three numbers and a short text", "1 thread"), take: lines(recording, "note", 1)},
		{name: "print-1", once: true, metrics: lineMetrics("printf of a string", "1 thread"), take: lines(printing, "work", 1)},
		{name: "print-4", once: true, metrics: lineMetrics("printf of a string", "4 threads"), take: lines(printing, "work", 4)},
		{name: "trace-1", once: true, metrics: lineMetrics("arguments, result and duration", "1 thread"), take: lines(tracing, "work", 1)},
		{name: "trace-4", once: true, metrics: lineMetrics("arguments, result and duration", "4 threads"), take: lines(tracing, "work", 4)},
		{name: "sql-server-simple", metrics: shareMetrics("server", "simple"), take: throughput(servingSQL, "simple")},
		{name: "sql-server-prepared", metrics: shareMetrics("server", "prepared"), take: throughput(servingSQL, "prepared")},
		{name: "sql-client-simple", metrics: shareMetrics("client", "simple"), take: throughput(sendingSQL, "simple")},
		{name: "sql-client-prepared", metrics: shareMetrics("client", "prepared"), take: throughput(sendingSQL, "prepared")},
		{name: "size", once: true, metrics: []metric{{name: "program and its libraries on disk", unit: "MiB"}}, take: (*bed).size},
	}
}

func attachMetrics(n int, how string) []metric {
	what := fmt.Sprintf("%d functions counted %s", n, how)
	return []metric{{name: "start to " + what, unit: "ms"}, {name: "Ctrl-C to the end, " + what, unit: "ms"}, {name: "peak memory, " + what, unit: "MiB"},
		{name: "longest pause of the program, " + what, unit: "ms"}}
}

func lineMetrics(what, who string) []metric {
	return []metric{{name: what + ", " + who, unit: "/s", higher: true}, {name: "  lost and reported", unit: "%", plain: true, of: what + who},
		{name: "  lost without a word", unit: "%", plain: true, of: what + who}, {name: "  peak memory", unit: "MiB", of: what + who}}
}

func shareMetrics(side, mode string) []metric {
	what := "pgbench -S, " + mode + ", its " + side + " observed"
	return []metric{{name: what, unit: "% of unobserved", higher: true}, {name: "  statements seen", unit: "%", plain: true, of: what}}
}

// take runs the measures on one tool.
func take(c config, t tool, v victims) column {
	col := column{tool: t.name, results: map[string]result{}}
	scratch, err := os.MkdirTemp("", "sonde-bench-")
	if err == nil {
		defer os.RemoveAll(scratch)
	}
	b := &bed{tool: t, victims: v, scratch: scratch, slow: map[kind]error{}}
	for _, m := range measures() {
		if !c.measures.MatchString(m.name) {
			continue
		}
		runs := c.runs
		if m.once {
			runs = 1
		}
		values, err := b.repeat(m, runs, c.verbose)
		for i, metric := range m.metrics {
			r := result{err: err}
			if err == nil {
				r.value = values[i]
			}
			col.results[metric.key()] = r
		}
	}
	return col
}

// repeat takes a measure several times and gives the medians. The first failure ends it.
func (b *bed) repeat(m measure, runs int, verbose bool) ([]float64, error) {
	if b.tool.missing != nil {
		return nil, b.tool.missing
	}
	all := make([][]float64, len(m.metrics))
	for range runs {
		values, err := m.take(b)
		if verbose {
			fmt.Fprintf(os.Stderr, "bench:   %s %s: %.4g %v\n", b.tool.name, m.name, values, err)
		}
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			all[i] = append(all[i], v)
		}
	}
	medians := make([]float64, len(all))
	for i, values := range all {
		medians[i] = median(values)
	}
	return medians, nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// launch starts the tool on a job. The caller stops it and then calls tidy.
func (b *bed) launch(j job) (*process, error) {
	j.scratch = b.scratch
	argv, err := b.tool.argv(j)
	if err != nil {
		return nil, err
	}
	if b.tool.before != nil {
		if err := b.tool.before(j); err != nil {
			return nil, err
		}
	}
	return start(argv, b.tool.env, b.tool.marker(j))
}

func (b *bed) tidy(j job) {
	if b.tool.after != nil {
		b.tool.after(j)
	}
}
