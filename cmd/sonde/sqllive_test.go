package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sonde-project/sonde/internal/fixture"
)

// asking is a program that asks SQLite the same but for a literal until it is killed; what it prepares it does not keep.
const asking = `import itertools, sqlite3, time
c = sqlite3.connect(":memory:")
c.execute("create table t(a)")
for i in itertools.count():
    c.execute(f"select count(*) from t where a = 'secret{i}'").fetchall()
    time.sleep(0.005)
`

// On a terminal sonde sql draws a table that answers to keys; when it is left, the final table stays, and a file gets its own.
func TestSQLOnATerminal(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "/usr/bin/python3")
	program := exec.Command("/usr/bin/python3", "-c", asking)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer program.Wait()
	defer program.Process.Kill()
	awaitMapping(t, program.Process.Pid, "libsqlite3")
	control, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	defer terminal.Close()
	if err := pty.Setsize(control, &pty.Winsize{Rows: 40, Cols: 150}); err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	file := filepath.Join(t.TempDir(), "report.html")
	ended := make(chan int, 1)
	go func() {
		ended <- run([]string{"sql", "-p", strconv.Itoa(program.Process.Pid), "-o", file},
			world{in: terminal, out: terminal, err: said, env: func(string) string { return "" }, backend: engines()})
		terminal.WriteString("END OF RUN")
	}()
	screen := &watched{t: t, control: control}
	screen.await("SELECT count")
	fmt.Fprint(control, "\r")
	screen.await("how long")
	screen.await("select count(*) from t where a = ?")
	fmt.Fprint(control, "q")
	screen.await("END OF RUN")
	if status := <-ended; status != 0 {
		text, _ := os.ReadFile(said.Name())
		t.Errorf("status %d\n%s", status, text)
	}
	if strings.Contains(screen.seen, "secret") {
		t.Error("a literal was shown")
	}
	page, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(page), "SELECT count ( * ) FROM t WHERE a = ?") || strings.Contains(string(page), "secret") {
		t.Errorf("%v: %s", err, page)
	}
}

// awaitMapping waits until a process maps a library.
func awaitMapping(t *testing.T, pid int, library string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)); err == nil && strings.Contains(string(maps), library) {
			return
		}
	}
	t.Fatalf("%s is not mapped", library)
}

// watched is what a terminal has shown.
type watched struct {
	t       *testing.T
	control *os.File
	seen    string
}

func (w *watched) await(text string) {
	w.t.Helper()
	buf := make([]byte, 4096)
	for end := time.Now().Add(time.Minute); !strings.Contains(w.seen, text); {
		if time.Now().After(end) {
			w.t.Fatalf("%q is not in %q", text, w.seen)
		}
		w.control.SetReadDeadline(time.Now().Add(time.Second))
		n, _ := w.control.Read(buf)
		w.seen += string(buf[:n])
	}
}
