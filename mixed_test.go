package sonde_test

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

const easyCalls, hardCalls = 4000, 2000

// counted gives the count of each function in the only map of a session that has ended.
func counted(t *testing.T, s *sonde.Session) map[string]uint64 {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil || len(snap.Maps) != 1 {
		t.Fatalf("%d maps: %v", len(snap.Maps), err)
	}
	counts := map[string]uint64{}
	for _, e := range snap.Maps[0].Entries {
		counts[e.Function.Function] += e.Agg.Count
	}
	return counts
}

// waiting starts a program that waits for a line.
func waiting(t *testing.T, program string) (*exec.Cmd, io.WriteCloser) {
	t.Helper()
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return cmd, in
}

func TestFunctionsThatCannotBePatchedAreLeftToTheKernelInTheSameRun(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/halves.c", "-pthread")
	for name, observe := range map[string]func(*sonde.Target, ...sonde.RunOption) (*sonde.Session, error){
		"count": func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
			return target.Count(t.Context(), program+":/^(easy|hard)$/", options...)
		},
		"time": func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
			return target.Time(t.Context(), program+":/^(easy|hard)$/", options...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, in := waiting(t, program)
			session, err := observe(open(t, sonde.PID(cmd.Process.Pid)), sonde.WithEngine(sonde.EngineMixed))
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := session.Explain(&text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text.String(), "engine: user") || !strings.Contains(text.String(), "\nkernel: hard of ") || strings.Contains(text.String(), ": easy of ") {
				t.Errorf("explained as\n%s", text.String())
			}
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
			if counts := counted(t, session); counts["easy"] != easyCalls || counts["hard"] != hardCalls || len(counts) != 2 {
				t.Errorf("counted %v", counts)
			}
			if stats := session.Stats(); stats.Hits < easyCalls+hardCalls || stats.Lost+stats.MissedReturns+stats.Unfinished != 0 || stats.Cost == 0 {
				t.Errorf("%+v", stats)
			}
			if refusals := session.Refusals(); len(refusals) != 0 {
				t.Errorf("refused: %v", refusals)
			}
		})
	}
}

// Who asks for no engine gets the one inside the process for counting, where nobody else's probe can meet a jump, and the kernel's for the rest.
func TestCountingIsDoneInsideTheProcessWhereThatIsWithoutRisk(t *testing.T) {
	fixture.NeedRoot(t)
	const inside, outside = "engine: user", "engine: kernel"
	for _, c := range []struct {
		name, program, script, engine string
		want                          map[string]uint64
	}{
		{"counting", "engine/aside.c", `uprobe:PROGRAM:/^(pushes|reserves|tests)$/ { @[func] = count() }`, inside,
			map[string]uint64{"pushes": 1000, "reserves": 1000, "tests": 1000}},
		{"by an argument", "engine/aside.c", `uprobe:PROGRAM:pushes /arg0 % 10 == 0/ { @[func] = count() }`, inside, map[string]uint64{"pushes": 100}},
		{"a key", "engine/aside.c", `uprobe:PROGRAM:pushes { @[func, tid] = count() }`, outside, map[string]uint64{"pushes": 1000}},
		{"memory", "engine/aside.c", `uprobe:PROGRAM:pushes /(*(uint64*)reg("sp")) != 0/ { @[func] = count() }`, outside, map[string]uint64{"pushes": 1000}},
		{"returns", "engine/aside.c", `uretprobe:PROGRAM:pushes { @[func] = count() }`, outside, map[string]uint64{"pushes": 1000}},
		{"another instruction", "engine/aside.c", `uprobe:PROGRAM:pushes+4 { @[func] = count() }`, outside, map[string]uint64{"pushes": 1000}},
		{"first instructions that must be moved", "engine/halves.c", `uprobe:PROGRAM:easy { @[func] = count() }`, outside, map[string]uint64{"easy": easyCalls}},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := fixture.Build(t, c.program, "-pthread")
			cmd, in := waiting(t, program)
			session, err := open(t, sonde.PID(cmd.Process.Pid)).Run(t.Context(), strings.ReplaceAll(c.script, "PROGRAM", program))
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := session.Explain(&text); err != nil || !strings.HasPrefix(text.String(), c.engine) {
				t.Errorf("explained as\n%s%v", text.String(), err)
			}
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
			if counts := counted(t, session); !maps.Equal(counts, c.want) {
				t.Errorf("counted %v", counts)
			}
			if stats := session.Stats(); (stats.Cost == 0) != (c.engine == inside) {
				t.Errorf("a cost of %v", stats.Cost)
			}
		})
	}
}

// What programs remember together cannot be in two places, so one engine has all of it.
func TestWhatFunctionsRememberTogetherIsNotDivided(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/halves.c", "-pthread")
	for name, text := range map[string]string{
		"a value": `uprobe:PROGRAM:easy { @last[tid] = 1 } uprobe:PROGRAM:hard /@last[tid] == 1/ { @[func] = count() }`,
		"nesting": `uretprobe:PROGRAM:easy, uretprobe:PROGRAM:hard { call() }`,
	} {
		t.Run(name, func(t *testing.T) {
			cmd, in := waiting(t, program)
			session, err := open(t, sonde.PID(cmd.Process.Pid)).Run(t.Context(), strings.ReplaceAll(text, "PROGRAM", program), sonde.WithEngine(sonde.EngineMixed))
			if err != nil {
				t.Fatal(err)
			}
			var explained strings.Builder
			if err := session.Explain(&explained); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(explained.String(), "engine: kernel") || !strings.Contains(explained.String(), "hard needs the other engine") {
				t.Errorf("explained as\n%s", explained.String())
			}
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			calls := map[string]int{}
			for e := range session.Events() {
				switch e := e.(type) {
				case *event.Call:
					calls[e.Function]++
				case *event.MapPrint:
					for _, entry := range e.Map.Entries {
						if entry.Function != nil {
							calls[entry.Function.Function] += int(entry.Agg.Count)
						}
					}
				}
			}
			if err := session.Err(); err != nil {
				t.Fatal(err)
			}
			if calls["hard"] != hardCalls {
				t.Errorf("%v", calls)
			}
		})
	}
}

// Where the kernel took over what was to be run inside the process, the session says so, and why.
func TestASessionThatTheKernelTookOverSaysSo(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/confined.c")
	for _, engine := range []sonde.Engine{sonde.EngineAuto, sonde.EngineMixed} {
		cmd, _ := waiting(t, program)
		confined := func() bool {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			return strings.Contains(string(status), "\nSeccomp:\t2")
		}
		for !confined() {
			time.Sleep(time.Millisecond)
		}
		session, err := open(t, sonde.PID(cmd.Process.Pid)).Count(t.Context(), "libc:qsort", sonde.WithEngine(engine))
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := session.Explain(&text); err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(text.String(), "\n"); !strings.HasPrefix(first, "engine: kernel, ") || !strings.Contains(first, "seccomp") {
			t.Errorf("%s: explained as %s", engine, first)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}
