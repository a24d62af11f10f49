package sonde_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// running starts the fixture that calls twice(1) a thousand times a second.
func running(t *testing.T) (program string, pid int) {
	t.Helper()
	return runningAs(t, fixture.Build(t, "command/work.c"))
}

// runningAs is running for a program that is a copy of it.
func runningAs(t *testing.T, program string) (string, int) {
	t.Helper()
	fixture.NeedRoot(t)
	cmd := exec.Command(program, "wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return program, cmd.Process.Pid
}

func open(t *testing.T, options ...sonde.Option) *sonde.Target {
	t.Helper()
	target, err := sonde.Open(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target
}

// belongings are what a process holds: goroutines and descriptors.
type belongings struct{ goroutines, descriptors int }

func (b belongings) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors", b.goroutines, b.descriptors)
}

func count(t *testing.T) belongings {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return belongings{runtime.NumGoroutine(), len(fds)}
}

// programs are the IDs of the eBPF programs that this process holds.
func programs(t *testing.T) []ebpf.ProgramID {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	var ids []ebpf.ProgramID
	for _, info := range infos {
		text, _ := os.ReadFile(info) // a descriptor may be gone again
		if _, after, ok := strings.Cut(string(text), "prog_id:\t"); ok {
			id, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ebpf.ProgramID(id))
		}
	}
	return ids
}

func TestNothingIsLeftOfASession(t *testing.T) {
	program, pid := running(t)
	target := open(t, sonde.PID(pid))
	ways := []struct {
		name string
		run  func(t *testing.T) []ebpf.ProgramID
	}{
		{"read to its end", func(t *testing.T) []ebpf.ProgramID {
			s, err := target.Trace(t.Context(), "twice", sonde.MaxEvents(5))
			if err != nil {
				t.Fatal(err)
			}
			held := programs(t)
			if err := s.Wait(); err != nil {
				t.Fatal(err)
			}
			return held
		}},
		{"left in the middle", func(t *testing.T) []ebpf.ProgramID {
			s, err := target.Trace(t.Context(), "twice")
			if err != nil {
				t.Fatal(err)
			}
			held := programs(t)
			for range s.Calls() {
				break
			}
			return held
		}},
		{"closed unread", func(t *testing.T) []ebpf.ProgramID {
			s, err := target.Time(t.Context(), "twice")
			if err != nil {
				t.Fatal(err)
			}
			held := programs(t)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return held
		}},
		{"its context cancelled", func(t *testing.T) []ebpf.ProgramID {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := target.Count(ctx, program+":twice")
			if err != nil {
				t.Fatal(err)
			}
			held := programs(t)
			time.AfterFunc(50*time.Millisecond, cancel)
			if err := s.Wait(); err != nil {
				t.Fatalf("a context that ends is an end as asked for: %v", err)
			}
			return held
		}},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.run(t) // the first run leaves what is kept on purpose: open symbol files
			before := count(t)
			held := w.run(t)
			if len(held) == 0 {
				t.Error("the session held no eBPF program: the test sees nothing")
			}
			settled(t, before)
			for _, id := range held {
				gone(t, id)
			}
		})
	}
}

// settled waits until the process holds no more than before: the runtime ends goroutines in its own time.
func settled(t *testing.T, before belongings) {
	t.Helper()
	var after belongings
	for range 3000 {
		if after = count(t); after.goroutines <= before.goroutines && after.descriptors <= before.descriptors {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("before: %v; after: %v\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
}

// gone waits until the kernel has freed a program, which it does after a grace period.
func gone(t *testing.T, id ebpf.ProgramID) {
	t.Helper()
	for range 6000 {
		p, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("eBPF program %d is still there", id)
}

func TestAClosedTargetHoldsNothing(t *testing.T) {
	program, pid := running(t)
	before := count(t)
	target, err := sonde.Open(sonde.PID(pid))
	if err != nil {
		t.Fatal(err)
	}
	s, err := target.Trace(t.Context(), program+":twice", sonde.MaxEvents(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	settled(t, before)
}

func TestAStartThatFailsLeavesNothing(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/work.c")
	target := open(t, sonde.Command(program))
	start := func() {
		ready := errors.New("not today")
		_, err := target.Count(t.Context(), "twice", sonde.OnReady(func() error { return ready }))
		if !errors.Is(err, ready) {
			t.Fatalf("%v, want %v", err, ready)
		}
	}
	start()
	before := count(t)
	start()
	settled(t, before)
}

func TestAContextThatIsOverStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := open(t, sonde.Command("/bin/false"))
	if _, err := target.Count(ctx, "libc:malloc"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestManyGoroutinesShareATarget(t *testing.T) {
	program, pid := running(t)
	target := open(t, sonde.PID(pid), sonde.File(program))
	var all sync.WaitGroup
	verbs := []func(context.Context, string, ...sonde.RunOption) (*sonde.Session, error){target.Count, target.Trace, target.Time, target.Count}
	for _, verb := range verbs {
		all.Go(func() {
			s, err := verb(t.Context(), "twice", sonde.For(time.Minute), sonde.Stack())
			if err != nil {
				t.Error(err)
				return
			}
			var around sync.WaitGroup
			for range 3 {
				around.Go(func() {
					for range 10 {
						if _, err := s.Snapshot(); err != nil {
							t.Error(err)
						}
						s.Stats()
						s.Err()
						time.Sleep(time.Millisecond)
					}
					for end := time.Now().Add(time.Minute); s.Stats().Hits == 0 && time.Now().Before(end); {
						time.Sleep(time.Millisecond)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			if err := s.Wait(); err != nil {
				t.Error(err)
			}
			around.Wait()
			if s.Stats().Hits == 0 {
				t.Error("no calls seen")
			}
		})
	}
	all.Wait()
}

func TestArgumentsAreReadByNameAndType(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/work.c")
	target := open(t, sonde.Command(program), sonde.File(program))
	s, err := target.Trace(t.Context(), "greet")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c := range s.Calls() {
		got = append(got, fmt.Sprint(c.Arg("name").Chars(), " ", c.Arg("times").Uint64(), " ", c.Return.Int64(), " ", c.ArgAt(1).OK(), c.Arg("nothing").OK()))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	want := "moon 1 4 true false|world 2 10 true false|sun 3 9 true false"
	if strings.Join(got, "|") != want {
		t.Errorf("%s, want %s", strings.Join(got, "|"), want)
	}
	if status, ok := s.ExitStatus(); status != 0 || !ok {
		t.Errorf("exit status %d, %v", status, ok)
	}
}

func TestASnapshotGrowsWhileTheSessionRuns(t *testing.T) {
	program, pid := running(t)
	target := open(t, sonde.PID(pid))
	s, err := target.Count(t.Context(), program+":twice")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last := uint64(0)
	for range 3 {
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			snap, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			m, _ := snap.Map("")
			if n := m.Total(); n > last {
				last = n
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the count stays at %d", last)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	final, _ := snap.Map("")
	if a, ok := final.Function("twice"); !ok || a.Count < last || a.Count != s.Stats().Hits {
		t.Errorf("final count %d, seen %d, hits %d", a.Count, last, s.Stats().Hits)
	}
	for range s.Events() {
		t.Error("an event of a closed session")
	}
}

func TestMistakesAreToldApart(t *testing.T) {
	everything := open(t)
	count := func(target *sonde.Target, probe string, options ...sonde.RunOption) error {
		s, err := target.Count(context.Background(), probe, options...)
		if err == nil {
			s.Close()
		}
		return err
	}
	opened := func(o ...sonde.Option) error {
		target, err := sonde.Open(o...)
		if err == nil {
			target.Close()
		}
		return err
	}
	cases := []struct {
		name string
		err  error
		is   error
	}{
		{"a function that is not there", count(everything, "libc:mallc"), script.NoFunction},
		{"a library that is not there", count(everything, "libnope:malloc"), script.NoLibrary},
		{"no target", count(everything, "malloc"), script.NoTarget},
		{"a text file", count(everything, "/etc/passwd:malloc"), script.NotELF},
		{"a condition cut short", count(everything, "libc:malloc", sonde.If("size >")), script.MissingOperand},
		{"an engine that is not there", count(everything, "libc:malloc", sonde.WithEngine("warp")), script.NoEngine},
		{"a limit out of range", count(everything, "libc:malloc", sonde.StringLimit(-1)), script.BadLimit},
		{"a process that is not there", opened(sonde.PID(1 << 30)), script.NoProcess},
		{"the same as Go asks it", opened(sonde.PID(1 << 30)), fs.ErrNotExist},
		{"a file that is not there", opened(sonde.File("/nope")), fs.ErrNotExist},
		{"a library named for the target that is not there", opened(sonde.Library("nope")), script.NoLibrary},
	}
	for _, c := range cases {
		var d *script.Diagnostic
		if !errors.Is(c.err, c.is) || !errors.As(c.err, &d) {
			t.Errorf("%s: %v (%T), want %v", c.name, c.err, c.err, c.is)
		}
	}
}

func TestValuesOfEventsReadAsGoValues(t *testing.T) {
	inner := event.Value{Kind: event.KindStruct, Fields: []event.Field{{Name: "n", Value: event.Int(-3)}, {Name: "s", Value: event.String("x")}}}
	v := event.Value{Kind: event.KindPointer, Uint: 0x1000, Elem: &inner}
	if v.Field("n").Int64() != -3 || v.Field("s").Chars() != "x" || v.Field("no").OK() || v.IsNil() {
		t.Error("members through a pointer")
	}
	if got := fmt.Sprint(v.Any()); got != "map[n:-3 s:x]" {
		t.Error(got)
	}
	lost := event.Missing(event.Unreadable, 0x10)
	if lost.OK() || lost.IsNil() || lost.Err() == nil || lost.Int64() != 0 || lost.Err().Error() != "unreadable at 0x10" {
		t.Errorf("a missing value: %v", lost.Err())
	}
}
