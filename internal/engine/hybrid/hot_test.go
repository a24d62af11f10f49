package hybrid_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine/hybrid"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// running is a fixture that answers lines.
type running struct {
	t    *testing.T
	cmd  *exec.Cmd
	path string
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
}

// run starts a fixture that prints one line first.
func run(t *testing.T, source string, args ...string) *running {
	t.Helper()
	fixture.NeedRoot(t)
	r := &running{t: t, path: fixture.Build(t, source, "-DHYBRID")}
	r.cmd = exec.Command(r.path, args...)
	r.in, _ = r.cmd.StdinPipe()
	out, _ := r.cmd.StdoutPipe()
	r.cmd.Stderr, r.out = &r.errs, bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = r.cmd.Wait() })
	return r
}

func (r *running) line() string {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatalf("the program has ended: %v, %v\n%s", err, r.cmd.Wait(), r.errs.String())
	}
	return strings.TrimSpace(line)
}

func (r *running) say(word string) string {
	r.t.Helper()
	fmt.Fprintln(r.in, word)
	return r.line()
}

func (r *running) number(word string) uint64 {
	r.t.Helper()
	n, err := strconv.ParseUint(r.say(word), 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// finish ends the program, which must have gone well.
func (r *running) finish() {
	r.t.Helper()
	r.in.Close()
	rest, _ := io.ReadAll(r.out)
	if err := r.cmd.Wait(); err != nil || r.errs.Len() > 0 {
		r.t.Errorf("the program ended with %v, %s, %s", err, rest, r.errs.String())
	}
}

// resolved is the plan of a script, in which PROGRAM stands for the program.
func (r *running) resolved(text string, returns resolve.ReturnPolicy) *plan.Plan {
	r.t.Helper()
	s, err := script.Parse(strings.ReplaceAll(text, "PROGRAM", r.path))
	if err != nil {
		r.t.Fatal(err)
	}
	pids := []int{r.cmd.Process.Pid}
	p, err := resolve.Resolve(s, resolve.Scope{PIDs: pids, Filter: plan.Filter{PIDs: pids}, Limits: plan.DefaultLimits(), Return: returns})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *running) arm(p *plan.Plan) *hybrid.Session {
	r.t.Helper()
	s, err := hybrid.Open(p)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	refused, err := s.Arm()
	if err != nil || len(refused) > 0 {
		r.t.Fatalf("%v, refused %v", err, refused)
	}
	return s
}

// total adds up the counts of the map that counts.
func total(t *testing.T, p *plan.Plan, s *hybrid.Session) (n uint64) {
	t.Helper()
	at := slices.IndexFunc(p.Maps, func(m plan.Map) bool { return m.Kind != event.AggValue })
	m, err := plan.NewDecoder(p, plan.Clock{}, nil).Map(at, func(fn func(key []byte, values [][]byte) error) error { return s.Cells(at, fn) }, s.Stack)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Entries {
		n += e.Agg.Count
	}
	return n
}

// Every call of four threads that never stand still is counted once, as one that was let pass or as one that was not.
func TestCallsAreThoseLetPassAndThoseFiltered(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		returns resolve.ReturnPolicy
		share   float64 // of calls that are let pass, about
	}{
		"an argument":                {`uprobe:PROGRAM:fold /arg0 % 100 == 0/ { @ = count(); }`, resolve.ReturnAuto, 0.01},
		"a sample":                   {`uprobe:PROGRAM:fold /rand % 50 == 0/ { @ = count(); }`, resolve.ReturnAuto, 0.02},
		"none":                       {`uprobe:PROGRAM:fold { @ = count(); }`, resolve.ReturnAuto, 1},
		"half of it in the kernel":   {`BEGIN { @on = 0; } uprobe:PROGRAM:fold /arg0 % 100 == 0 && @on == 0/ { @ = count(); }`, resolve.ReturnAuto, 0.01},
		"calls with returns":         {`uretprobe:PROGRAM:fold /arg0 % 100 == 0/ { @ = count(); }`, resolve.ReturnTrampoline, 0.01},
		"calls with returns, by ret": {`uretprobe:PROGRAM:fold /arg0 % 100 == 0 && duration > 0/ { @ = count(); }`, resolve.ReturnSites, 0.01},
		"a sample with returns":      {`uretprobe:PROGRAM:fold /rand % 50 == 0/ { @ = quantiles(duration); }`, resolve.ReturnSites, 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "engine/hot.c", "4")
			r.line()
			before := r.number("pause")
			p := r.resolved(c.script, c.returns)
			s := r.arm(p)
			r.say("go")
			time.Sleep(300 * time.Millisecond)
			calls := r.number("pause") - before
			s.Disarm()
			counts, err := s.Counts()
			if err != nil {
				t.Fatal(err)
			}
			stats, passed := counts.Stats(), total(t, p, s)
			if stats.Hits != calls || stats.Hits != passed+stats.Filtered+stats.Lost || stats.MissedReturns+stats.Unfinished > 0 {
				t.Errorf("the program made %d calls: %d hits, %d passed, %+v", calls, stats.Hits, passed, stats)
			}
			if share := float64(passed) / float64(calls); share < c.share*0.5 || share > c.share*1.5 {
				t.Errorf("%d of %d calls passed, of which %v was expected", passed, calls, c.share)
			}
			r.say("go")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			r.finish()
		})
	}
}

// Threads go on as ever while probes come and go under them, and nothing is left.
func TestProbesComeAndGoUnderThreadsThatCall(t *testing.T) { manyTimes(t, 20) }

func manyTimes(t *testing.T, times int) {
	r := run(t, "engine/hot.c", "4")
	r.line()
	for i := range times {
		returns := []resolve.ReturnPolicy{resolve.ReturnTrampoline, resolve.ReturnSites}[i%2]
		p := r.resolved([]string{
			`uretprobe:PROGRAM:fold /arg0 % 3 == 0/ { @ = count(); }`, `uprobe:PROGRAM:step,uprobe:PROGRAM:fold { @ = count(); }`,
			`uretprobe:PROGRAM:step /rand % 5 == 0/ { @ = count(); }`,
		}[i%3], returns)
		s := r.arm(p)
		time.Sleep(time.Duration(i%5) * time.Millisecond)
		s.Disarm()
		counts, err := s.Counts()
		stats := counts.Stats()
		if passed := total(t, p, s); err != nil || stats.Hits != passed+stats.Filtered+stats.Lost+stats.Unfinished+stats.MissedReturns {
			t.Errorf("%d passed, %+v, %v", passed, stats, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.whole()
	r.finish()
}

// whole checks that nothing of a sonde is left in the program.
func (r *running) whole() {
	r.t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.cmd.Process.Pid))
	if err != nil || strings.Contains(string(maps), "memfd:sonde") {
		r.t.Errorf("%v\n%s", err, maps)
	}
	file, err := elf.Open(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	text := file.Section(".text")
	want, err := text.Data()
	if err != nil {
		r.t.Fatal(err)
	}
	bias := uint64(0)
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.HasSuffix(line, r.path) {
			fmt.Sscanf(line, "%x", &bias)
			break
		}
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	defer mem.Close()
	got := make([]byte, len(want))
	if _, err := mem.ReadAt(got, int64(bias+text.Addr)); err != nil || !bytes.Equal(got, want) {
		r.t.Errorf("%v: the program's code is not what it was", err)
	}
}

// A program from whose midst a sonde is killed runs on, with calls that pass what the kernel's probe has left, and can be made whole.
func TestASondeIsKilledBetweenItsHalves(t *testing.T) {
	r := run(t, "engine/hot.c", "4")
	r.line()
	observer := exec.Command("/proc/self/exe", "-test.run=^TestObserveUntilKilled$", "-test.v")
	observer.Env = append(os.Environ(), "SONDE_OBSERVED="+strconv.Itoa(r.cmd.Process.Pid), "SONDE_PROGRAM="+r.path)
	out, _ := observer.StdoutPipe()
	if err := observer.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for said.Scan() && !strings.HasPrefix(said.Text(), "armed") {
	}
	if err := observer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = observer.Wait()
	before := r.number("pause")
	r.say("go")
	time.Sleep(50 * time.Millisecond)
	if after := r.number("pause"); after <= before {
		t.Errorf("%d calls, then %d", before, after)
	}
	r.say("go")
	mended, left, err := user.Recover(r.cmd.Process.Pid)
	if err != nil || mended != 1 || left != 0 {
		t.Errorf("%d mended, %d left, %v", mended, left, err)
	}
	r.whole()
	r.finish()
}

// TestObserveUntilKilled is the sonde that TestASondeIsKilledBetweenItsHalves kills.
func TestObserveUntilKilled(t *testing.T) {
	pid, err := strconv.Atoi(os.Getenv("SONDE_OBSERVED"))
	if err != nil {
		return
	}
	r := &running{t: t, path: os.Getenv("SONDE_PROGRAM"), cmd: &exec.Cmd{Process: &os.Process{Pid: pid}}}
	r.arm(r.resolved(`uretprobe:PROGRAM:fold /arg0 % 3 == 0/ { @ = count(); }`, resolve.ReturnTrampoline))
	fmt.Println("armed")
	time.Sleep(time.Minute)
}

// A hit is where the function is, whatever instruction the kernel has its probe on.
func TestAHitIsWhereTheFunctionIs(t *testing.T) {
	for name, text := range map[string]string{
		"the instruction":            `uprobe:PROGRAM:step /arg0 % 1000 == 7/ { printf("%x\n", pc); }`,
		"the stack":                  `uprobe:PROGRAM:step /arg0 % 1000 == 7/ { printf("%s\n", ustack); }`,
		"the stack as a key":         `uprobe:PROGRAM:step /arg0 % 1000 == 7/ { @[ustack] = count(); }`,
		"the instruction at return":  `uretprobe:PROGRAM:step /arg0 % 1000 == 7/ { printf("%x\n", pc); }`,
		"the stack of a call record": `uretprobe:PROGRAM:step /arg0 % 1000 == 7/ { call(ustack); }`,
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "engine/hot.c", "1")
			_, rest, _ := strings.Cut(r.line(), "step 0x")
			step, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			p := r.resolved(text, resolve.ReturnTrampoline)
			site := step + uint64(p.Probes[0].Sites[0].Addr-p.Functions[0].Addr)
			s := r.arm(p)
			time.Sleep(50 * time.Millisecond)
			s.Disarm()
			seen := places(t, p, s)
			if len(seen) == 0 {
				t.Fatal("nothing was seen")
			}
			for _, at := range seen {
				if at != site {
					t.Fatalf("%#x, not %#x", at, site)
				}
			}
			r.finish()
		})
	}
}

// places are the addresses that events begin with.
func places(t *testing.T, p *plan.Plan, s *hybrid.Session) (seen []uint64) {
	t.Helper()
	d := plan.NewDecoder(p, plan.Clock{}, nil)
	err := s.Read(time.Time{}, func(record []byte) {
		e, err := d.Record(record)
		if err != nil {
			t.Fatal(err)
		}
		switch e := e.(type) {
		case *event.Call:
			seen = append(seen, e.Stack[0].PC)
		case *event.Print:
			t.Logf("%q", e.Text())
			at, err := strconv.ParseUint(strings.TrimPrefix(strings.Fields(e.Text())[0], "0x"), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, at)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Maps {
		m, err := d.Map(i, func(fn func(key []byte, values [][]byte) error) error { return s.Cells(i, fn) }, s.Stack)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Entries {
			seen = append(seen, e.Key[0].Frames[0].PC)
		}
	}
	return seen
}

// Threads that begin and end, exceptions, longjmp, a thousand signals a second and children do not notice probes that come and go.
func TestAStormDoesNotNotice(t *testing.T) {
	r := run(t, "engine/storm.cc")
	r.line()
	hits := uint64(0)
	for i := range 12 {
		s := r.arm(r.resolved([]string{
			`uprobe:PROGRAM:step,uprobe:PROGRAM:leave /arg0 % 2 == 0/ { @ = count(); }`, `uretprobe:PROGRAM:step /arg0 % 2 == 0/ { @ = count(); }`,
		}[i%2], resolve.ReturnAuto))
		time.Sleep(5 * time.Millisecond)
		s.Disarm()
		counts, err := s.Counts()
		if err != nil {
			t.Fatal(err)
		}
		hits += counts.Stats().Hits
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.whole()
	r.in.Close()
	out, _ := io.ReadAll(r.out)
	if err := r.cmd.Wait(); err != nil || string(out) != "ok\n" || hits == 0 {
		t.Errorf("%v, %q, %d hits\n%s", err, out, hits, r.errs.String())
	}
}

// Calls of signal handlers that interrupt the predicate are lost, and counted; all others are counted as what they are.
func TestCallsOfSignalHandlersAreInTheAccount(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		returns resolve.ReturnPolicy
	}{
		"entries":             {`uprobe:PROGRAM:leaf /arg0 % 100 == 0/ { @ = count(); }`, resolve.ReturnAuto},
		"returns":             {`uretprobe:PROGRAM:leaf /arg0 % 100 == 0/ { @ = count(); }`, resolve.ReturnTrampoline},
		"returns, by ret":     {`uretprobe:PROGRAM:leaf /arg0 % 100 == 0/ { @ = count(); }`, resolve.ReturnSites},
		"all returns, by ret": {`uretprobe:PROGRAM:leaf { @ = count(); }`, resolve.ReturnSites},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "engine/handled.c")
			r.line()
			p := r.resolved(c.script, c.returns)
			s := r.arm(p)
			calls := r.number("go")
			_ = r.cmd.Wait()
			s.Disarm()
			counts, err := s.Counts()
			if err != nil {
				t.Fatal(err)
			}
			stats, passed := counts.Stats(), total(t, p, s)
			if stats.Hits != calls || stats.Hits != passed+stats.Filtered+stats.Lost+stats.MissedReturns+stats.Unfinished || r.errs.Len() > 0 {
				t.Errorf("the program made %d calls: %d hits, %d passed, %+v\n%s", calls, stats.Hits, passed, stats, r.errs.String())
			}
		})
	}
}
