package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"sonde": main}) }

// TestCommand runs the scripts that need no privileges: the command line itself.
func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, Cmds: commands()})
}

// TestObserving runs the scripts that observe; ./work is the program, a copy for each, ./nobpf starts others where bpf(2) is refused, ./small32 is a program of 32 bits that waits.
func TestObserving(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	work := fixture.Build(t, "command/work.c")
	static, nobpf := fixture.Build(t, "command/static.c"), fixture.Build(t, "command/nobpf.c")
	small := fixture.Small32(t,
		0xb8, 29, 0, 0, 0, // mov $29,%eax: pause
		0xcd, 0x80, // int $0x80
		0xeb, 0xf7) // jmp: and again
	objects := compiledObjects(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/observe",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			fixture.CopyTo(t, work, filepath.Join(e.WorkDir, "work"))
			return errors.Join(os.Symlink(static, filepath.Join(e.WorkDir, "static")),
				os.Symlink(nobpf, filepath.Join(e.WorkDir, "nobpf")), os.Symlink(small, filepath.Join(e.WorkDir, "small32")),
				objects(e.WorkDir))
		},
		Cmds:      commands(),
		Condition: condition,
	})
}

// compiledObjects compiles the eBPF objects below fixture/src/object, and gives what links them into a folder, with one that is cut off.
func compiledObjects(t *testing.T) func(dir string) error {
	sources, err := filepath.Glob(filepath.Join(fixture.Dir(), "object", "*.bpf.c"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	flags := map[string][]string{"legacy.bpf.c": {"-g0"}}
	built := map[string]string{}
	for _, path := range sources {
		name := filepath.Base(path)
		built[strings.TrimSuffix(name, "c")+"o"] = fixture.Build(t, filepath.Join("object", name), flags[name]...)
	}
	built["rust.bpf.o"] = fixture.Build(t, "object/rust.bpf.rs")
	return func(dir string) error {
		for name, path := range built {
			if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		whole, err := os.ReadFile(built["calls.bpf.o"])
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "broken.bpf.o"), whole[:len(whole)/2], 0o644)
	}
}

// commands are those of scripts, beside testscript's own.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){"await": await, "told": told}
}

// condition is [sessions]: the kernel has them.
func condition(name string) (bool, error) {
	if name != "sessions" {
		return false, fmt.Errorf("no condition %s", name)
	}
	s, err := kernel.Probe()
	return s.Sessions, err
}

// told compares standard error with a file, without what a start says that is slow here.
func told(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.SplitAfter(ts.ReadFile("stderr"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "sonde: ") && strings.HasSuffix(l, " ...\n") })
	if got, want := strings.Join(lines, ""), ts.ReadFile(args[0]); got != want {
		ts.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// await waits until a file is there.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s does not come", args[0])
}
