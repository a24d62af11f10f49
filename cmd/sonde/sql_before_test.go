package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A statement that was prepared before has its text where the driver or the server keeps it, and none where it does not. Servers keep it.
func (s servers) preparedBefore(t *testing.T) {
	pg, my := s.pg, s.my
	program := fixture.Build(t, "sql/before.c", "-Wl,--no-as-needed", "-lpq", "-lmariadb", "-lsqlite3")
	observe := func(o sonde.SQLOptions, pid int) queries {
		t.Helper()
		c := exec.Command(program, my.Socket())
		c.Env = pg.Env
		return standIn(t, c, o, pid)
	}
	client := observe(sonde.SQLOptions{}, 0)
	client.check(t, "SELECT name FROM pragma_function_list LIMIT ?", expect{3, 15, 0})
	unknown := 0
	for digest, q := range client {
		if digest == "(prepared before attach)" {
			unknown += int(q.Count)
		}
	}
	if unknown != 3 { // of libpq and libmariadb: the map has one of the two systems
		t.Errorf("seen\n%s", client)
	}
	server := observe(sonde.SQLOptions{Server: true}, pg.PID)
	server.check(t, "SELECT ? FROM pg_class LIMIT ?", expect{3, 6, 0})
	server = observe(sonde.SQLOptions{Server: true}, my.PID)
	server.check(t, "SELECT seq FROM seq_1_to_4", expect{3, 12, 0})
}

// A library that a program brings along, by a name of its own, is found in the process, and without one in those that run. Where it is the
// machine's library as well nothing counts twice.
func (s servers) aLibraryThatIsBroughtAlong(t *testing.T) {
	pg, my := s.pg, s.my
	program := fixture.Build(t, "sql/before.c", "-Wl,--no-as-needed", "-lpq", "-lmariadb", "-lsqlite3")
	usual, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(usual)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libsqlite3-0a1b2c3d.so.0.8.6"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("libsqlite3-0a1b2c3d.so.0.8.6", filepath.Join(dir, "libsqlite3.so.0")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, "/usr/lib"} {
		for _, own := range []bool{true, false} {
			c := exec.Command(program, my.Socket())
			c.Env = append(pg.Env, "LD_LIBRARY_PATH="+path)
			pid := everyProcess
			if own {
				pid = 0
			}
			got := standIn(t, c, sonde.SQLOptions{}, pid)
			got.check(t, "SELECT name FROM pragma_function_list LIMIT ?", expect{3, 15, 0})
		}
	}
}

// everyProcess is no PID.
const everyProcess = -1

// standIn observes a process, 0: the program's own, or every one, while a program executes that waits for the end of its input before.
func standIn(t *testing.T, c *exec.Cmd, o sonde.SQLOptions, pid int) queries {
	t.Helper()
	return standingIn(t, c, o, pid).queries
}

// standingIn is standIn with each statement.
func standingIn(t *testing.T, c *exec.Cmd, o sonde.SQLOptions, pid int) *everything {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var options []sonde.Option
	switch pid {
	case everyProcess:
	case 0:
		options = append(options, sonde.PID(c.Process.Pid))
	default:
		options = append(options, sonde.PID(pid))
	}
	return observed(t, o, func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}, options...)
}
