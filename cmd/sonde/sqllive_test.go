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
	screen := fixture.NewScreen(t, 40, 150)
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	file := filepath.Join(t.TempDir(), "report.html")
	ended := make(chan int, 1)
	go func() {
		ended <- run([]string{"sql", "-p", strconv.Itoa(program.Process.Pid), "-o", file},
			world{in: screen.TTY, out: screen.TTY, err: said, env: func(string) string { return "" }, backend: engines()})
		screen.TTY.WriteString("END OF RUN")
	}()
	screen.Sees("SELECT count")
	screen.Types("\r")
	screen.Sees("how long")
	screen.Sees("select count(*) from t where a = ?")
	screen.Types("q")
	screen.Sees("END OF RUN")
	if status := <-ended; status != 0 {
		text, _ := os.ReadFile(said.Name())
		t.Errorf("status %d\n%s", status, text)
	}
	if strings.Contains(screen.Shown(), "secret") {
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
