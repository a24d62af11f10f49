package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"sonde": main}) }

// TestCommand runs the scripts that need no privileges: the command line itself.
func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// TestObserving runs the scripts that observe; ./work is the program.
func TestObserving(t *testing.T) {
	fixture.NeedRoot(t)
	work := fixture.Build(t, "command/work.c")
	static := fixture.Build(t, "command/static.c")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/observe",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			return errors.Join(os.Symlink(work, filepath.Join(e.WorkDir, "work")), os.Symlink(static, filepath.Join(e.WorkDir, "static")))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

// await waits until a file is there.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s does not come", args[0])
}
