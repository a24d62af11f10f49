package inject

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/target"
)

// A command is counted from its first call on: that of a library's constructor, before main, is among them. Its child counts in the same
// cells and is left like its parent.
func TestCommandIsCountedFromItsFirstInstruction(t *testing.T) {
	library := fixture.Build(t, "engine/early.c", "-shared", "-fPIC", "-DLIBRARY")
	for _, c := range []struct {
		name  string
		flags []string
		calls int // of early
	}{
		{"dynamic", []string{"-no-pie", "-rdynamic", "-Wl,--no-as-needed", library}, 3},
		{"static", []string{"-no-pie", "-static"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := fixture.Build(t, "engine/early.c", c.flags...)
			in, feed, _ := os.Pipe()
			from, out, _ := os.Pipe()
			defer in.Close()
			defer feed.Close()
			defer from.Close()
			cmd, err := target.Start([]string{path}, target.Options{Stdin: in, Stdout: out})
			if err != nil {
				t.Fatal(err)
			}
			_ = out.Close()
			defer func() { _ = cmd.Kill(); _, _ = cmd.Wait() }()
			p, err := Adopt(cmd.PID(), cmd.Trace)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.RunToStart(); err != nil {
				t.Fatal(err)
			}
			h := &hot{t: t, code: map[string]function{}}
			h.locate(path, []string{"early", address(t, path, "early")})
			counter := &counter{t: t, p: p}
			counter.attach([]function{h.code["early"]})
			if err := cmd.Release(); err != nil {
				t.Fatal(err)
			}
			p.Release()
			lines := bufio.NewScanner(from)
			lines.Scan()
			child, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			if got := counter.count(0); got != uint64(c.calls) {
				t.Errorf("%d calls counted, want %d", got, c.calls)
			}
			users := counter.region.Users()
			if len(users) != 2 || users[0]+users[1] != cmd.PID()+child {
				t.Errorf("users %v, want %d and %d", users, cmd.PID(), child)
			}
			q, err := Open(child)
			if err != nil {
				t.Fatal(err)
			}
			if left, _, err := q.Detach(counter.region); left || err != nil {
				t.Errorf("child: %v, %v", left, err)
			}
			q.Close()
			counter.detach()
			_, _ = feed.WriteString("go\n")
			status, err := cmd.Wait()
			if err != nil || status.ExitCode() != 0 {
				t.Errorf("%+v, %v", status, err)
			}
		})
	}
}

func address(t *testing.T, path, name string) string {
	t.Helper()
	fixture.Need(t, "nm")
	for line := range strings.Lines(output(t, "nm", path)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == name {
			return "0x" + fields[0]
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return ""
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
