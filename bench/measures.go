package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
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

const patience = 30 * time.Second

var errStarts = errors.New("does not attach to a program that runs")

// firstEvent is the time from the tool's start to the first call that it printed.
func (b *bed) firstEvent() ([]float64, error) {
	if b.tool.starts {
		return nil, errStarts
	}
	victim, err := start([]string{b.victims.loop, "tick", "f_push"}, nil, "")
	if err != nil {
		return nil, err
	}
	defer victim.kill()
	time.Sleep(50 * time.Millisecond)
	j := job{kind: firing, program: b.victims.loop, function: "f_push", pid: victim.cmd.Process.Pid}
	began := time.Now()
	t, err := b.launch(j)
	if err != nil {
		return nil, err
	}
	defer b.tidy(j)
	defer t.kill()
	if err := t.until(patience, "event", func() bool { return t.marked > 0 }); err != nil {
		return nil, err
	}
	first := milliseconds(t.first.Sub(began))
	t.stop(patience)
	return []float64{first}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// wholeRun counts the calls of a command that makes 1000 of them.
func (b *bed) wholeRun() ([]float64, error) {
	j := job{kind: counting, program: b.victims.loop, function: "f_push", command: []string{b.victims.loop, "run", "f_push", "1000"}}
	began := time.Now()
	t, err := b.launch(j)
	if err != nil {
		return nil, err
	}
	if err := t.ended(patience); err != nil {
		b.tidy(j)
		return nil, err
	}
	b.tidy(j)
	took := milliseconds(time.Since(began))
	if !strings.Contains(strings.Join(t.tail, "\n"), "1000") {
		return nil, fmt.Errorf("did not count 1000 calls: %s", t.reason())
	}
	return []float64{took, t.peak()}, nil
}

// cost is what a call takes longer when it is observed.
func cost(k kind, function string) func(*bed) ([]float64, error) { return costOn(k, function, 1) }

// costOn is the same where so many threads call at once.
func costOn(k kind, function string, threads int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		calls := b.calls(k)
		j := job{kind: k, program: b.victims.loop, function: function}
		if b.tool.starts {
			each, err := b.started(j, calls, threads)
			return []float64{each}, err
		}
		victim, t, err := b.armed(&j, calls, threads)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		defer victim.kill()
		if err := victim.ended(2 * time.Minute); err != nil {
			return nil, err
		}
		each, err := victim.figure("ns")
		if err != nil {
			return nil, err
		}
		t.stop(patience)
		return []float64{each}, nil
	}
}

// calls is how many are made for a cost: as many as take a fraction of a second, and records no more than fit into any tool's buffer.
func (b *bed) calls(k kind) int {
	switch {
	case b.tool.name == "ltrace":
		return 5000
	case k == recording:
		return 10000
	case b.tool.name == "sonde, inside":
		return 5000000
	}
	return 200000
}

// started is what a call takes in a program that the tool starts.
func (b *bed) started(j job, calls, threads int) (float64, error) {
	j.command = []string{j.program, "run", j.function, strconv.Itoa(calls), strconv.Itoa(threads)}
	t, err := b.launch(j)
	if err != nil {
		return 0, err
	}
	defer b.tidy(j)
	if err := t.ended(2 * time.Minute); err != nil {
		return 0, err
	}
	each, err := t.figure("ns")
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, t.reason())
	}
	return each, nil
}

// armed starts a victim that waits for its probe, and the tool, and returns when the calls begin.
func (b *bed) armed(j *job, calls, threads int) (victim, t *process, err error) {
	victim, err = start([]string{j.program, "armed", j.function, strconv.Itoa(calls), strconv.Itoa(threads)}, nil, "")
	if err != nil {
		return nil, nil, err
	}
	if err := victim.says("ready", patience); err != nil {
		victim.kill()
		return nil, nil, err
	}
	j.pid = victim.cmd.Process.Pid
	if t, err = b.launch(*j); err != nil {
		victim.kill()
		return nil, nil, err
	}
	if err = awaited(victim, t, "armed", patience); err != nil {
		victim.kill()
		t.kill()
		b.tidy(*j)
		return nil, nil, err
	}
	return victim, t, nil
}

// awaited waits until the victim says a line; a tool that ends before gives the reason.
func awaited(victim, t *process, line string, limit time.Duration) error {
	said := make(chan error, 1)
	go func() { said <- victim.says(line, limit) }()
	select {
	case err := <-said:
		if err != nil {
			return fmt.Errorf("%w; it said: %s", err, t.reason())
		}
		return nil
	case <-t.done:
		select {
		case err := <-said:
			return err
		case <-time.After(100 * time.Millisecond):
			return errors.New(t.reason())
		}
	}
}

// attach measures how long it takes to count n functions, and to stop.
func attach(k kind, n int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		switch {
		case b.slow[k] != nil:
			return nil, b.slow[k]
		case b.tool.starts:
			return nil, errStarts
		}
		program := b.victims.many[n]
		victim, err := start([]string{program}, nil, "")
		if err != nil {
			return nil, err
		}
		defer victim.kill()
		if err := victim.says("ready", patience); err != nil {
			return nil, err
		}
		j := job{kind: k, program: program, function: "fn_*", pid: victim.cmd.Process.Pid}
		began := time.Now()
		t, err := b.launch(j)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		if err := awaited(victim, t, "armed", 2*time.Minute); err != nil {
			return nil, err
		}
		up := milliseconds(time.Since(began))
		pause, err := victim.figure("pause")
		if err != nil {
			return nil, err
		}
		began = time.Now()
		if err := t.stop(5 * time.Minute); err != nil {
			b.slow[k] = fmt.Errorf("%d functions already took minutes to leave", n)
			return nil, fmt.Errorf("armed in %.0f ms; %w", up, err)
		}
		down := milliseconds(time.Since(began))
		if down > 20000 {
			b.slow[k] = fmt.Errorf("%d functions already took %.0f s to leave", n, down/1000)
		}
		if err := victim.says("restored", patience); err != nil && b.tool.after == nil {
			return nil, fmt.Errorf("left probes behind: %w", err)
		}
		return []float64{up, down, t.peak(), pause}, nil
	}
}

// lines lets threads call a function with a string as fast as they can.
func lines(k kind, function string, threads int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		if b.tool.starts {
			return nil, errStarts
		}
		calls := 400000 / threads
		if b.tool.name == "ltrace" {
			calls = 8000 / threads
		}
		j := job{kind: k, program: b.victims.loop, function: function}
		victim, t, err := b.armed(&j, calls, threads)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		defer victim.kill()
		if err := victim.says("calling", patience); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := victim.ended(3 * time.Minute); err != nil {
			return nil, err
		}
		called := time.Since(began)
		t.quiet(time.Second, patience)
		if err := t.stop(2 * time.Minute); err != nil {
			return nil, err
		}
		seen, lost, took := t.marked, t.lost(), t.last.Sub(began)
		if b.tool.counted != nil {
			j.scratch = b.scratch
			if seen, lost, err = b.tool.counted(j); err != nil {
				return nil, err
			}
			took = called
		}
		if seen == 0 {
			return nil, fmt.Errorf("traced nothing: %s", t.reason())
		}
		total := float64(calls * threads)
		silent := max(calls*threads-lost-seen, 0)
		return []float64{float64(seen) / took.Seconds(), 100 * float64(lost) / total, 100 * float64(silent) / total, t.peak()}, nil
	}
}

// quiet waits until nothing new was printed for a while.
func (p *process) quiet(pause, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for before := -1; time.Now().Before(deadline); {
		p.mu.Lock()
		now := p.marked
		p.mu.Unlock()
		if now == before {
			return
		}
		before = now
		time.Sleep(pause)
	}
}
