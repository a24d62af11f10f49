package hybrid_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/hybrid"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// run starts a fixture.
func run(t *testing.T, source string, args ...string) *enginetest.Running {
	t.Helper()
	fixture.NeedRoot(t)
	return enginetest.Start(t, fixture.Build(t, source), args...)
}

func arm(t *testing.T, p *plan.Plan) *hybrid.Session {
	t.Helper()
	return enginetest.Armed(t, hybrid.Open, p)
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
			r.Line()
			before := r.Number("pause")
			p := r.Plan(c.script, c.returns)
			s := arm(t, p)
			var calls uint64
			for calls < 20000 { // enough for shares
				r.Ask("go")
				time.Sleep(300 * time.Millisecond)
				calls = r.Number("pause") - before
			}
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
			r.Ask("go")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			r.Finish()
		})
	}
}

// Threads go on as ever while probes come and go under them, and nothing is left.
func TestProbesComeAndGoUnderThreadsThatCall(t *testing.T) { manyTimes(t, 20) }

func manyTimes(t *testing.T, times int) {
	r := run(t, "engine/hot.c", "4")
	r.Line()
	for i := range times {
		returns := []resolve.ReturnPolicy{resolve.ReturnTrampoline, resolve.ReturnSites}[i%2]
		p := r.Plan([]string{
			`uretprobe:PROGRAM:fold /arg0 % 3 == 0/ { @ = count(); }`, `uprobe:PROGRAM:step,uprobe:PROGRAM:fold { @ = count(); }`,
			`uretprobe:PROGRAM:step /rand % 5 == 0/ { @ = count(); }`,
		}[i%3], returns)
		s := arm(t, p)
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
	whole(t, r)
	r.Finish()
}

// whole checks that nothing of a sonde is left in the program.
func whole(t *testing.T, r *enginetest.Running) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.PID))
	if err != nil || strings.Contains(string(maps), "memfd:sonde") {
		t.Errorf("%v\n%s", err, maps)
	}
	file, err := elf.Open(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text := file.Section(".text")
	want, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	bias := uint64(0)
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.HasSuffix(line, r.Path) {
			fmt.Sscanf(line, "%x", &bias)
			break
		}
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", r.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	got := make([]byte, len(want))
	if _, err := mem.ReadAt(got, int64(bias+text.Addr)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: the program's code is not what it was", err)
	}
}

// A program from whose midst a sonde is killed runs on, with calls that pass what the kernel's probe has left, and can be made whole.
func TestASondeIsKilledBetweenItsHalves(t *testing.T) {
	r := run(t, "engine/hot.c", "4")
	r.Line()
	observer := exec.Command("/proc/self/exe", "-test.run=^TestObserveUntilKilled$", "-test.v")
	observer.Env = append(os.Environ(), "SONDE_OBSERVED="+strconv.Itoa(r.PID), "SONDE_PROGRAM="+r.Path)
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
	before := r.Number("pause")
	r.Ask("go")
	time.Sleep(50 * time.Millisecond)
	if after := r.Number("pause"); after <= before {
		t.Errorf("%d calls, then %d", before, after)
	}
	r.Ask("go")
	mended, left, err := user.Recover(r.PID)
	if err != nil || mended != 1 || left != 0 {
		t.Errorf("%d mended, %d left, %v", mended, left, err)
	}
	whole(t, r)
	r.Finish()
}

// TestObserveUntilKilled is the sonde that TestASondeIsKilledBetweenItsHalves kills.
func TestObserveUntilKilled(t *testing.T) {
	pid, err := strconv.Atoi(os.Getenv("SONDE_OBSERVED"))
	if err != nil {
		return
	}
	r := enginetest.Is(t, os.Getenv("SONDE_PROGRAM"), pid)
	arm(t, r.Plan(`uretprobe:PROGRAM:fold /arg0 % 3 == 0/ { @ = count(); }`, resolve.ReturnTrampoline))
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
			_, rest, _ := strings.Cut(r.Line(), "step 0x")
			step, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			p := r.Plan(text, resolve.ReturnTrampoline)
			if err := hybrid.Check(p); errors.Is(err, script.Code("kernel-too-old")) {
				t.Skipf("refused: %v", err)
			} else if err != nil {
				t.Fatal(err)
			}
			site := step + uint64(p.Probes[0].Sites[0].Addr-p.Functions[0].Addr)
			s := arm(t, p)
			for hits := uint64(0); hits < 5000; time.Sleep(10 * time.Millisecond) { // one of a thousand is shown
				counts, err := s.Counts()
				if err != nil {
					t.Fatal(err)
				}
				hits = counts.Stats().Hits
			}
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
			r.Finish()
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
	r.Line()
	hits := uint64(0)
	for i := range 12 {
		s := arm(t, r.Plan([]string{
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
	whole(t, r)
	if out := r.Finish(); out != "ok\n" || hits == 0 {
		t.Errorf("%q, %d hits", out, hits)
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
			r.Line()
			p := r.Plan(c.script, c.returns)
			s := arm(t, p)
			calls := r.Number("go")
			r.Wait()
			s.Disarm()
			counts, err := s.Counts()
			if err != nil {
				t.Fatal(err)
			}
			stats, passed := counts.Stats(), total(t, p, s)
			if stats.Hits != calls || stats.Hits != passed+stats.Filtered+stats.Lost+stats.MissedReturns+stats.Unfinished {
				t.Errorf("the program made %d calls: %d hits, %d passed, %+v", calls, stats.Hits, passed, stats)
			}
		})
	}
}
