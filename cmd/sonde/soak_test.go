//go:build soak

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/fixture/death"
)

// Whatever step of a start sonde is killed at, on each engine, the command ends or runs on: it does not stay stopped.
func TestSoakWhereverSondeIsKilledTheCommandDoesNotStayStopped(t *testing.T) {
	fixture.NeedRoot(t)
	found, err := exec.LookPath("sonde")
	if err != nil {
		t.Fatal(err)
	}
	sonde, err := filepath.EvalSymlinks(found)
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []string{"kernel", "user", "user,kernel", "tracefs"} {
		t.Run(engine, func(t *testing.T) {
			steps, lives := death.EachStep(t, death.Program{
				Path: found, Exe: sonde, Argv: []string{"sonde", "count", "libc:malloc", "--engine=" + engine, "--", "/bin/sh", "-c", "echo released; sleep 100"},
				Env: os.Environ(), Done: "released",
			}, 101)
			if !lives {
				t.Errorf("after %d steps the command does not live", steps)
			}
		})
	}
}
