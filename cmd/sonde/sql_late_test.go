package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// startWaiting starts a program that says that it is ready, and goes on at the end of its input.
func startWaiting(t *testing.T, c *exec.Cmd) *fixture.Running {
	t.Helper()
	r := fixture.StartCommand(t, c)
	r.Line()
	return r
}

// awaitNewcomer waits until a session says that it observes a file that came.
func awaitNewcomer(t *testing.T, s *sonde.Session, path string) {
	t.Helper()
	awaitNotes(t, s, path, 1)
}

// awaitNotes waits until it has said so a number of times.
func awaitNotes(t *testing.T, s *sonde.Session, path string, times int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		said := 0
		for _, note := range s.Notes() {
			if strings.HasPrefix(note, path+" came during the run: its statements are seen from ") {
				said++
			}
		}
		if said >= times {
			return
		}
	}
	t.Errorf("%s is not observed: %q", path, s.Notes())
}

// A program whose driver is inside of it is observed when it first starts after sonde was ready; the second time from its first statement.
func TestAProgramThatFirstStartsDuringTheRunIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		w := startWaiting(t, exec.Command(program, "wait"))
		awaitNewcomer(t, s, program)
		w.Finish()
		if out, err := exec.Command(program).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}).queries
	got.check(t, "SELECT before", expect{1, 3, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{14, 42, 0})
	got.check(t, "SELECT a FROM t WHERE b = ?", expect{10, 30, 0})
	got.check(t, "UPDATE t SET a = ?", expect{10, 10, 0})
}

// A program that runs has its driver found although its file has no name any more, as after an upgrade.
func TestARunningProgramWhoseFileIsGoneIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	w := startWaiting(t, exec.Command(program, "wait"))
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	got := observed(t, sonde.SQLOptions{}, func() { w.Finish() }).queries
	got.check(t, "SELECT before", expect{1, 3, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{7, 21, 0})
}

// withinACommand observes a command that starts a program of which its words say nothing, and does something while the program waits.
func withinACommand(t *testing.T, program string, during func(*sonde.Session)) queries {
	t.Helper()
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	if err := errors.Join(os.Symlink(program, filepath.Join(dir, "inner")), unix.Mkfifo(gate, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("D", dir)
	return observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		in, err := os.OpenFile(gate, os.O_WRONLY, 0) // the program starts when it can be opened for reading
		if err != nil {
			t.Error(err)
			return
		}
		awaitNewcomer(t, s, program)
		during(s)
		in.Close()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
				return
			}
		}
		t.Error("the command does not end")
	}, sonde.Command("sh", "-c", `cd "$D"; sh -c "./inner wait <gate >said"; touch done`)).queries
}

// What a command starts is observed though nothing in its words says what that will be; and nobody else who runs the same program is.
func TestAProgramThatACommandStartsIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	got := withinACommand(t, program, func(*sonde.Session) {
		if out, err := exec.Command(program).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	got.check(t, "SELECT before", expect{1, 3, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{7, 21, 0})
	got.check(t, "UPDATE t SET a = ?", expect{5, 5, 0})
}

// A newcomer of whose driver another sonde has patched one function, in another process, is observed but for that function.
func TestANewcomerIsObservedWithoutWhatAnotherSondeHasPatched(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	patched := startWaiting(t, exec.Command(program, "wait"))
	target, err := sonde.Open(sonde.PID(patched.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	elsewhere, err := target.Count(t.Context(), program+":database/sql.(*DB).execDC", sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	got := withinACommand(t, program, func(s *sonde.Session) {
		refusals := s.Refusals()
		if len(refusals) != 1 || refusals[0].Function != "database/sql.(*DB).execDC" || !strings.Contains(refusals[0].Why, "another sonde") {
			t.Errorf("refused: %v", refusals)
		}
	})
	got.check(t, "SELECT before", expect{1, 3, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{7, 21, 0})
	if got["UPDATE t SET a = ?"] != nil {
		t.Errorf("what is left out was counted:\n%s", got)
	}
	patched.Finish()
	if err := elsewhere.Close(); err != nil {
		t.Error(err)
	}
}

// A library that no process mapped at the start, in a place of its own, is observed when one maps it.
func TestALibraryThatIsFirstLoadedDuringTheRunIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	usual, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
	if err != nil {
		t.Fatal(err)
	}
	library := fixture.CopyTo(t, usual, filepath.Join(t.TempDir(), "libsqlite3-0a1b2c3d.so.0.8.6"))
	program := fixture.Build(t, "sql/load.c", "-ldl")
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		w := startWaiting(t, exec.Command(program, library))
		awaitNewcomer(t, s, library)
		w.Finish()
	}).queries
	got.check(t, "SELECT ?", expect{3, 3, 0})
}

// A process that is observed by its PID may load another driver.
func TestADriverThatAProcessLoadsLaterIsObserved(t *testing.T) {
	pg := fixture.Postgres(t)
	const script = `import psycopg2, sys
print("ready", flush=True)
sys.stdin.readline()
import sqlite3
sys.stdin.read()
c = sqlite3.connect(":memory:")
for i in range(5):
    c.execute(f"select {i}").fetchall()
`
	c := exec.Command("/usr/bin/python3", "-c", script)
	c.Env = pg.Env
	program := startWaiting(t, c)
	sqlite, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
	if err != nil {
		t.Fatal(err)
	}
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		program.Tell("load")
		awaitNewcomer(t, s, sqlite)
		program.Finish()
	}, sonde.PID(program.PID)).queries
	got.check(t, "SELECT ?", expect{5, 5, 0})
}

// More files come than are kept armed: those leave that nobody maps, what they counted stays, and one that comes back is observed anew.
func TestNewcomersAreBounded(t *testing.T) {
	fixture.NeedRoot(t)
	usual, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
	if err != nil {
		t.Fatal(err)
	}
	program := fixture.Build(t, "sql/load.c", "-ldl")
	const files = 18
	dir := t.TempDir()
	var all []string
	for i := range files {
		all = append(all, fixture.CopyTo(t, usual, filepath.Join(dir, "libsqlite3-"+strconv.Itoa(i)+".so")))
	}
	most := 0
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		for i, library := range append(all, all[0]) {
			w := startWaiting(t, exec.Command(program, library))
			if i < files {
				awaitNewcomer(t, s, library)
			} else {
				awaitNotes(t, s, library, 2)
			}
			w.Finish()
			most = max(most, links(t))
		}
		if now := links(t); now > most*3/4 {
			t.Errorf("%d descriptors are held for probes, %d before: nothing was given back", now, most)
		}
	}).queries
	got.check(t, "SELECT ?", expect{3 * (files + 1), 3 * (files + 1), 0})
}

// links is how many descriptors of eBPF this process holds.
func links(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.Contains(to, "bpf") {
			n++
		}
	}
	return n
}

// What processes had begun when they were killed is forgotten while the run goes on: what is kept is bounded.
func TestStatementsOfKilledProcessesAreForgotten(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.CopyTo(t, fixture.Build(t, "sql/half.c", "-Wl,--no-as-needed", "-lsqlite3"), filepath.Join(t.TempDir(), "half")) // its name is filtered by
	const children = 300
	kept := func(s *sonde.Session) (n int) {
		snapshot, err := s.Snapshot()
		if err != nil {
			t.Error(err)
		}
		for _, m := range snapshot.Maps {
			if m.Name == "sqlite_ns" || m.Name == "sqlite_rows" {
				n += len(m.Entries)
			}
		}
		return n
	}
	got := observedWith(t, sonde.SQLOptions{}, func(s *sonde.Session) {
		if out, err := exec.Command(program, strconv.Itoa(children)).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		begun := kept(s)
		left := begun
		for end := time.Now().Add(time.Minute); left > 0 && time.Now().Before(end); left = kept(s) {
			time.Sleep(50 * time.Millisecond)
		}
		if begun == 0 || left > 0 {
			t.Errorf("%d entries of killed processes, %d later on", begun, left)
		}
	}, sonde.Comm("half")).queries
	if len(got) > 0 {
		t.Errorf("nothing ended, and yet there is\n%s", got)
	}
}
