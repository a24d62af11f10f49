// Package enginetest is the table of what every engine must observe alike.
//
// In: an engine. Out: a subtest per case, passed, failed, or left out with the engine's own reason. Invariant: a case says what to
// observe and what must come of it, and nothing about how; so each engine runs all of them. Tests only.
package enginetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Engine is what the table is run against.
type Engine interface {
	// Check says why the engine cannot run the plan; nil when it can.
	Check(p *plan.Plan) error
	// Observe runs a plan from its BEGIN to its END. Once everything is armed it calls drive, which lets the observed program
	// run and comes back when that has ended, or stands still.
	Observe(p *plan.Plan, drive func() error) (*Observation, error)
}

// Patching is an engine that never replaces a return address: what the table asks for at trampolines, it sees at the instructions that
// leave. Cases about the difference are marked.
type Patching interface{ Patches() }

// Observation is what an engine gives.
type Observation struct {
	Records  [][]byte
	Cells    [][]Cell                 // by plan map
	Stack    func(id uint64) []uint64 // works until Close
	Close    func() error
	Counts   engine.Counts
	Refusals []plan.Refusal
}

// Take keeps a copy of a record.
func (o *Observation) Take(record []byte) { o.Records = append(o.Records, bytes.Clone(record)) }

// Cell is one entry of a map: a value per CPU, or one.
type Cell struct {
	Key    []byte
	Values [][]byte
}

// Case is one thing to observe.
type Case struct {
	Name     string // the sentence that the case asserts
	Source   string // fixture; "" engine/calls.c
	Workload string // its argument
	// Plan says what to observe; or Script does, where PROGRAM stands for the program's path.
	Plan   func(b *Builder)
	Script string
	// Stays: the program stands still inside a call when observing ends.
	Stays bool
	// Trampoline: what comes of it is so only where a return address is replaced.
	Trampoline bool

	Events  []string // what Describe makes of the events, in any order; a line beginning with "N * " stands for N lines
	Ordered bool     // Events are in this order
	Maps    []string // what Describe makes of the maps, in any order
	Counts  Account
}

// Account is what must have been counted. Numbers that are -1 may be anything.
type Account struct {
	Hits, Events, Filtered, Lost, Missed, Unfinished, Unreadable, Truncated int64
}

// Run runs the table.
func Run(t *testing.T, e Engine) {
	for _, c := range Cases() {
		t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) { c.run(t, e) })
	}
}

// Loss makes an engine lose: the reader of deaf does not read while the program runs, which calls on every CPU and far more
// often than the ring holds. Every call must be delivered, or reported as lost.
func Loss(t *testing.T, deaf Engine) {
	for name, build := range map[string]func(b *Builder){
		"entries": func(b *Builder) { b.trace("leaf", "n") },
		"calls":   func(b *Builder) { b.onReturn(b.call("n"), plan.Trampoline, "leaf") },
		"texts":   func(b *Builder) { b.traceText("leaf") },
	} {
		t.Run(name, func(t *testing.T) {
			c := Case{Workload: "each-cpu", Plan: func(b *Builder) {
				build(b)
				b.plan.Limits.Ring = 4096
			}}
			_, got := c.observe(t, deaf)
			s := got.Counts.Stats()
			if want := uint64(2000 * runtime.NumCPU()); s.Hits != want {
				t.Errorf("%d hits, want %d", s.Hits, want)
			}
			if s.Lost == 0 || s.Hits != s.Events+s.Filtered+s.Lost || uint64(len(got.Records)) != s.Events {
				t.Errorf("hits %d, events %d, filtered %d, lost %d; records %d", s.Hits, s.Events, s.Filtered, s.Lost, len(got.Records))
			}
		})
	}
}

func (c *Case) run(t *testing.T, e Engine) {
	p, got := c.observe(t, e)
	if len(got.Refusals) > 0 {
		t.Errorf("refused sites: %v", got.Refusals)
	}
	c.check(t, p, got)
}

func (c *Case) observe(t *testing.T, e Engine) (*plan.Plan, *Observation) {
	t.Helper()
	if c.Source == "" {
		c.Source = "engine/calls.c"
	}
	program := fixture.Build(t, c.Source)
	target := begin(t, program, c.Workload)
	p := c.plan(t, e, program, target.Process.Pid)
	if err := e.Check(p); err != nil {
		t.Skipf("refused: %v", err)
	}
	if _, patches := e.(Patching); patches && !slices.Contains(p.Filter.PIDs, target.Process.Pid) {
		t.Skip("refused: it enters the processes that are named, of which this is none")
	}
	got, err := e.Observe(p, func() error { return target.drive(c.Stays) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, got
}

func (c *Case) plan(t *testing.T, e Engine, program string, pid int) *plan.Plan {
	t.Helper()
	_, patches := e.(Patching)
	returns := resolve.ReturnAuto
	if patches {
		returns = resolve.ReturnSites
	}
	if c.Script == "" {
		b := newBuilder(t, program, pid)
		b.patches = patches && !c.Trampoline
		c.Plan(b)
		return b.Plan()
	}
	s, err := script.Parse(strings.ReplaceAll(c.Script, "PROGRAM", program))
	if err != nil {
		t.Fatal(err)
	}
	limits := plan.DefaultLimits()
	limits.Ring = 1 << 20
	p, err := resolve.Resolve(s, resolve.Scope{PIDs: []int{pid}, Filter: plan.Filter{PIDs: []int{pid}}, Limits: limits, Return: returns})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *Case) check(t *testing.T, p *plan.Plan, got *Observation) {
	t.Helper()
	d := &describer{dec: plan.NewDecoder(p, plan.Clock{Wall: time.Unix(0, 0)}, nil)}
	events := d.events(t, got.Records)
	want := expand(c.Events)
	if !c.Ordered {
		slices.Sort(events)
		slices.Sort(want)
	}
	compare(t, "events", events, want)
	maps := d.maps(t, got)
	wantMaps := slices.Sorted(slices.Values(c.Maps))
	slices.Sort(maps)
	compare(t, "maps", maps, wantMaps)
	c.Counts.check(t, &got.Counts)
}

// expand writes lines that stand for several out.
func expand(lines []string) []string {
	var all []string
	for _, line := range lines {
		n := 1
		if count, rest, ok := strings.Cut(line, " * "); ok {
			if _, err := fmt.Sscanf(count, "%d", &n); err == nil {
				line = rest
			}
		}
		for range n {
			all = append(all, line)
		}
	}
	return all
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	const enough = 20
	t.Errorf("%s: got %d\n\t%s\nwant %d\n\t%s", what, len(got), strings.Join(got[:min(len(got), enough)], "\n\t"),
		len(want), strings.Join(want[:min(len(want), enough)], "\n\t"))
}

func (a Account) check(t *testing.T, c *engine.Counts) {
	t.Helper()
	s := c.Stats()
	for _, n := range []struct {
		what string
		want int64
		got  uint64
	}{
		{"hits", a.Hits, s.Hits}, {"events", a.Events, s.Events}, {"filtered", a.Filtered, s.Filtered}, {"lost", a.Lost, s.Lost},
		{"missed returns", a.Missed, s.MissedReturns}, {"unfinished", a.Unfinished, s.Unfinished},
		{"unreadable", a.Unreadable, s.Unreadable}, {"truncated", a.Truncated, s.Truncated},
	} {
		if n.want >= 0 && uint64(n.want) != n.got {
			t.Errorf("%d %s, want %d", n.got, n.what, n.want)
		}
	}
}

// program is one that waits for a line before it does anything.
type program struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func begin(t *testing.T, path, workload string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(path, workload)}
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	return p
}

// drive lets the program run to its end, or until it says that it stands still.
func (p *program) drive(stays bool) error {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return err
	}
	if stays {
		_, err := p.out.ReadByte()
		return err
	}
	p.in.Close()
	return p.Wait()
}
