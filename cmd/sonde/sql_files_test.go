package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// loader is a program of a name of its own that executes three statements by a library, and that library.
func loader(t *testing.T) (program, library string) {
	t.Helper()
	fixture.NeedRoot(t)
	usual, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return fixture.CopyTo(t, fixture.Build(t, "sql/load.c", "-ldl"), filepath.Join(dir, "loader")), fixture.CopyTo(t, usual, filepath.Join(dir, "libsqlite3-0a1b2c3d.so.0.8.6"))
}

// A library that is replaced by another file of its name, as upgrades do, goes on being observed in the process that has the old one, and the new
// one is observed when a process maps it.
func TestALibraryThatIsReplacedDuringTheRunIsObserved(t *testing.T) {
	program, library := loader(t)
	old := startWaiting(t, exec.Command(program, library))
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		if err := os.Rename(fixture.CopyTo(t, library, library+".new"), library); err != nil {
			t.Error(err)
		}
		upgraded := startWaiting(t, exec.Command(program, library))
		awaitNewcomer(t, s, library)
		old.Finish()
		upgraded.Finish()
	}, sonde.Comm("loader")).queries
	got.check(t, "SELECT ?", expect{6, 6, 0})
}

// A process with a mount namespace of its own has its library where nobody else sees it, and another file stands there for everybody else: it is
// found in the process, whether that runs already or comes later.
func TestALibraryOfAMountNamespaceIsObserved(t *testing.T) {
	fixture.Need(t, "unshare", "mount")
	for _, later := range []bool{false, true} {
		program, library := loader(t)
		inside := filepath.Join(t.TempDir(), "libsqlite3-0a1b2c3d.so.0.8.6")
		fixture.CopyTo(t, program, inside) // no library
		start := func() *fixture.Running {
			return startWaiting(t, exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1" "$2" && exec "$0" "$2"`, program, library, inside))
		}
		var w *fixture.Running
		if !later {
			w = start()
		}
		got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
			if later {
				w = start()
				awaitNewcomer(t, s, inside)
			}
			w.Finish()
		}, sonde.Comm("loader")).queries
		got.check(t, "SELECT ?", expect{3, 3, 0})
	}
}
