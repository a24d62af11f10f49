package main

import (
	"io"
	"os/exec"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A statement that was prepared before has its text where the driver or the server keeps it, and none where it does not. Servers keep it.
func TestPreparedBefore(t *testing.T) {
	pg, my := fixture.Postgres(t), fixture.MariaDB(t)
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

// standIn observes a process, 0: the program's own, while a program executes that waits for the end of its input before.
func standIn(t *testing.T, c *exec.Cmd, o sonde.SQLOptions, pid int) queries {
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
	if pid == 0 {
		pid = c.Process.Pid
	}
	return sqlOf(t, o, func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}, sonde.PID(pid))
}
