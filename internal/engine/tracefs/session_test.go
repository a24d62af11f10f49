package tracefs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// observe runs a script on a workload of engine/calls.c.
func observe(t *testing.T, workload, text string, change func(*plan.Plan)) (*Session, engine.Counts, []plan.Refusal) {
	t.Helper()
	return observeAs(t, workload, text, change, func(*Session) {})
}

// observeAs is observe with a change of the session before its events are armed.
func observeAs(t *testing.T, workload, text string, change func(*plan.Plan), before func(*Session)) (*Session, engine.Counts, []plan.Refusal) {
	t.Helper()
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/calls.c")
	r := fixture.Start(t, program, workload)
	p := planOf(t, text, program, r.PID)
	if change != nil {
		change(p)
	}
	s, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	before(s)
	refused, err := s.Arm()
	if err != nil {
		t.Fatal(err)
	}
	r.Release()
	s.Disarm()
	if err := s.Read(time.Now(), func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return s, counts, refused
}

func TestWhatTheKernelRefusesIsLeftOutAndTheRestIsArmed(t *testing.T) {
	_, counts, refused := observe(t, "locked", "uprobe:PROGRAM:leaf,uprobe:PROGRAM:add { @ = count(); }", func(p *plan.Plan) {
		// A site that the kernel cannot take: behind the end of the file.
		for i := range p.Probes {
			for j := range p.Probes[i].Sites {
				if s := &p.Probes[i].Sites[j]; p.Functions[s.Function].Name == "add" {
					s.Offset = 1 << 40
				}
			}
		}
	})
	if counts.Of[plan.CountHits] != 5 {
		t.Errorf("%d hits, want 5", counts.Of[plan.CountHits])
	}
	if len(refused) != 1 || refused[0].Function != "add" || !strings.Contains(refused[0].Why, "the kernel refuses its entry") {
		t.Errorf("refused %v", refused)
	}
}

func TestAThreadsNameFilters(t *testing.T) {
	for comm, want := range map[string]uint64{"": 1000, "nobody": 0} {
		_, counts, _ := observe(t, "leaf", "uprobe:PROGRAM:leaf { @ = count(); }", func(p *plan.Plan) { p.Filter.Comm = comm })
		if counts.Of[plan.CountHits] != want {
			t.Errorf("comm %q: %d hits, want %d", comm, counts.Of[plan.CountHits], want)
		}
	}
	program := fixture.Build(t, "engine/calls.c")
	name := program[strings.LastIndexByte(program, '/')+1:]
	name = name[:min(len(name), plan.CommSize-1)]
	_, counts, _ := observe(t, "leaf", "uprobe:PROGRAM:leaf { @ = count(); }", func(p *plan.Plan) { p.Filter.Comm = name })
	if counts.Of[plan.CountHits] != 1000 {
		t.Errorf("comm %q: %d hits, want 1000", name, counts.Of[plan.CountHits])
	}
}

func TestEveryProcessIsObservedWithoutAFilter(t *testing.T) {
	fixture.NeedRoot(t)
	built := fixture.Build(t, "engine/calls.c")
	program := fixture.CopyTo(t, built, t.TempDir()+"/a copy#1") // a name that the kernel's parser does not take
	p := planOf(t, "uprobe:PROGRAM:leaf { @[pid] = count(); }", built, os.Getpid())
	p.Filter.PIDs, p.Objects[0].Open = nil, program
	s, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Arm(); err != nil {
		t.Fatal(err)
	}
	const runs = 3
	for range runs {
		cmd := exec.Command(program, "threads")
		cmd.Stdin = strings.NewReader("\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s.Disarm()
	if err := s.Read(time.Now(), func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	processes := 0
	err = s.Cells(0, func(_ []byte, values [][]byte) error {
		processes++
		if n := (field{0, 8}).number(values[0]); n != 2000 {
			return fmt.Errorf("a process with %d calls, want 2000", n)
		}
		return nil
	})
	if err != nil || processes != runs {
		t.Errorf("%d processes, want %d; %v", processes, runs, err)
	}
}

// What the fetch arguments of a plan are, and what none reaches.
func TestCheckSaysWhatCannotBeReached(t *testing.T) {
	program := fixture.Build(t, "engine/calls.c")
	for text, want := range map[string]string{
		`uprobe:PROGRAM:norm { printf("%d", args.p->x); }`:                                                         "",
		`uprobe:PROGRAM:norm { $p = args.p; printf("%s", str($p->label)); }`:                                       "",
		`uretprobe:PROGRAM:greet { printf("%s", str(retval)); }`:                                                   "",
		`uprobe:PROGRAM:leaf { printf("%d", uid); }`:                                                               "uid",
		`uprobe:PROGRAM:leaf { @[ustack] = count(); }`:                                                             "no stacks",
		`uretprobe:PROGRAM:greet { printf("%s", str(args.name)); }`:                                                "",
		`uretprobe:PROGRAM:norm { printf("%d", args.p->x); }`:                                                      "",
		`uprobe:PROGRAM:norm { printf("%d", *(int32*)(arg0 + arg1 * 8)); }`:                                        "constant offsets",
		`uprobe:PROGRAM:norm { $p = arg0; $i = 0; while ($i < 3) { $p = *(uint64*)$p; $i++; } printf("%d", $p); }`: "moves on",
	} {
		err := Check(planOf(t, text, program, os.Getpid()))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestAFormatTellsWhereFieldsAre(t *testing.T) {
	f, err := parseFormat("name: e0\nID: 2326\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n" +
		"\tfield:u64 m0_0[];\toffset:28;\tsize:200;\tsigned:0;\n\tfield:__data_loc char[] comm;\toffset:16;\tsize:4;\tsigned:1;\n")
	if err != nil || f.id != 2326 || f.fields["m0_0"] != (field{28, 200}) || f.fields["comm"] != (field{16, 4}) {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := parseFormat("nothing"); err == nil {
		t.Error("no format, and no error")
	}
}
