package target

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// start starts a command with its output in a file, and makes sure that it ends.
func start(t *testing.T, o Options, argv ...string) (*Command, func() string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	o.Stdout, o.Stderr = out, out
	c, err := Start(argv, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Kill()
		_, _ = c.Wait()
		out.Close()
	})
	return c, func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// run releases a command and waits for it.
func run(t *testing.T, c *Command) Status {
	t.Helper()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	status, err := c.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestACommandIsHeldBeforeItsFirstInstruction(t *testing.T) {
	path := fixture.Build(t, "c/idle.c")
	c, out := start(t, Options{}, path, "no-such-library")
	p, err := c.Process()
	if err != nil || p.Exe != path || p.PPID != os.Getpid() {
		t.Fatalf("%+v %v", p, err)
	}
	objects, err := p.Objects()
	if err != nil || len(objects) != 2 || objects[0].Path != path || !strings.Contains(objects[1].Path, "ld-") {
		t.Errorf("it maps %+v, %v", objects, err)
	}
	time.Sleep(50 * time.Millisecond)
	if out() != "" {
		t.Errorf("held, it wrote %q", out())
	}
	text, err := os.ReadFile(procPath(c.PID(), "stat"))
	if s, _ := parseStat(string(text)); err != nil || s.state != "t" {
		t.Errorf("state %q, %v", s.state, err)
	}
	if status := run(t, c); status.Code != 2 || status.Signal != 0 || !strings.Contains(out(), "no-such-library") {
		t.Errorf("%+v, it wrote %q", status, out())
	}
}

func TestAReleasedCommandIsAsIfUnobserved(t *testing.T) {
	argv := []string{"/bin/sh", "-c", "grep -v -e Pid -e ctxt -e Ngid -e Cpus -e Mems /proc/self/status; cat /proc/self/limits; grep TracerPid /proc/self/status; ls -l /proc/self/fd | wc -l"}
	plain := exec.Command(argv[0], argv[1:]...)
	file, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	plain.Stdin, plain.Stdout, plain.Stderr = os.Stdin, file, file
	if err := plain.Run(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	c, out := start(t, Options{}, argv...)
	if status := run(t, c); status != (Status{}) {
		t.Errorf("%+v", status)
	}
	a, b := strings.Split(settled(string(want)), "\n"), strings.Split(settled(out()), "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			t.Errorf("unobserved %q, observed %q", a[i], b[min(i, len(b)-1)])
		}
	}
	if !strings.Contains(out(), "TracerPid:\t0\n") {
		t.Errorf("still traced: %s", out())
	}
}

// settled leaves out what differs from run to run: numbers of processes and sizes of memory.
func settled(status string) string {
	varies := regexp.MustCompile(`^(Vm|Rss|Hugetlb|Tgid|NS|SigQ)`)
	var out []string
	for _, line := range strings.Split(status, "\n") {
		if !varies.MatchString(line) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestHowACommandEnds(t *testing.T) {
	for _, c := range []struct {
		script string
		want   Status
		code   int
	}{
		{"exit 0", Status{}, 0},
		{"exit 7", Status{Code: 7}, 7},
		{"kill -TERM $$", Status{Signal: syscall.SIGTERM}, 143},
		{"kill -KILL $$", Status{Signal: syscall.SIGKILL}, 137},
		{"trap 'exit 3' USR1; kill -USR1 $$; exit 4", Status{Code: 3}, 3},
		{"kill -TRAP $$", Status{Signal: syscall.SIGTRAP}, 133},
	} {
		command, _ := start(t, Options{}, "/bin/sh", "-c", "ulimit -c 0; "+c.script)
		got := run(t, command)
		got.Core = false
		if got != c.want || got.ExitCode() != c.code {
			t.Errorf("%s: %+v, %d", c.script, got, got.ExitCode())
		}
	}
}

func TestOptionsReachTheCommand(t *testing.T) {
	dir := t.TempDir()
	in, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.WriteString(write, "from here\n"); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if err := os.WriteFile(dir+"/tool", []byte("#!/bin/sh\necho $0 $1 $MINE; pwd; cat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path string }{{"./tool", "/nowhere:/usr/bin"}, {"tool", ".:/usr/bin:/bin"}, {"tool", dir + ":/usr/bin:/bin"}} {
		o := Options{Dir: dir, Env: []string{"MINE=x y", "PATH=" + c.path}, Stdin: in}
		command, out := start(t, o, c.name, "arg")
		status := run(t, command)
		if status != (Status{}) || !strings.Contains(out(), "tool arg x y\n"+dir+"\n") {
			t.Errorf("%+v: %+v %q", c, status, out())
		}
	}
}

func TestScriptsRunAllTheSame(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"sharp": "#!/bin/sh\necho ran $1\n", "bare": "echo ran $1\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		c, out := start(t, Options{}, path, "here")
		if status := run(t, c); status != (Status{}) || out() != "ran here\n" || c.Path != path {
			t.Errorf("%s: %+v %q", name, status, out())
		}
	}
}

func TestWhatCannotBeStartedIsDiagnosed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		argv []string
		code script.Code
		word string
	}{
		{nil, NoProgram, "no command"},
		{[]string{""}, NoProgram, ""},
		{[]string{"gerp"}, NoProgram, "grep"},
		{[]string{dir + "/nothing"}, NoProgram, "no such file"},
		{[]string{write("plain", "text", 0o644)}, NotExecutable, "chmod"},
		{[]string{dir}, NotExecutable, "directory"},
		{[]string{write("lost", "#!/no/such/interpreter\n", 0o755)}, NotExecutable, "interpreter"},
	} {
		command, err := Start(c.argv, Options{})
		if err == nil {
			_ = command.Kill()
			_, _ = command.Wait()
		}
		wantDiagnostic(t, strings.Join(c.argv, " "), err, c.code, c.word)
	}
}

func TestAHeldCommandCanBeKilled(t *testing.T) {
	c, out := start(t, Options{}, "/bin/echo", "never")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	status, err := c.Wait()
	if err != nil || status.Signal != syscall.SIGKILL || out() != "" {
		t.Errorf("%+v %v %q", status, err, out())
	}
	if err := c.Release(); err != nil {
		t.Errorf("release after the end: %v", err)
	}
	if err := c.Kill(); err != nil {
		t.Errorf("kill after the end: %v", err)
	}
}

func TestSignalsThatComeWhileItIsHeldAreNotLost(t *testing.T) {
	c, _ := start(t, Options{}, "/bin/sleep", "100")
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := run(t, c); status.Signal != syscall.SIGTERM {
		t.Errorf("%+v", status)
	}
}

func TestACommandStaysInOurProcessGroup(t *testing.T) {
	c, _ := start(t, Options{}, "/bin/sleep", "100")
	if group, err := unix.Getpgid(c.PID()); err != nil || group != unix.Getpgrp() {
		t.Errorf("group %d, ours %d, %v", group, unix.Getpgrp(), err)
	}
}

func TestAHeldCommandEndsWithUs(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TARGET_TEST=hold /bin/sleep 100")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, number := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || number != nil {
		t.Fatal(line, err, number)
	}
	defer unix.Kill(pid, unix.SIGKILL)
	watch, err := NewWatch([]int{pid})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := watch.Wait(ctx); err != nil {
		t.Errorf("the command lives on: %v", err)
	}
}

func TestManyCommandsAtOnce(t *testing.T) {
	var commands []*Command
	for range 20 {
		c, _ := start(t, Options{}, "/bin/true")
		commands = append(commands, c)
	}
	for _, c := range commands {
		if status := run(t, c); status != (Status{}) {
			t.Errorf("%+v", status)
		}
	}
}

func TestAProgramWithRightsOfItsOwnIsNotHeldByAUser(t *testing.T) {
	fixture.NeedRoot(t)
	path := filepath.Join(t.TempDir(), "setuid")
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, "/bin/true", path)
	if out := asNobody(t, "start", path); !strings.Contains(out, "<nil>") {
		t.Errorf("an ordinary program: %s", out)
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if out := asNobody(t, "start", path); !strings.Contains(out, "["+string(NotPermitted)+"]") {
		t.Errorf("a set-user-ID program: %s", out)
	}
}

func TestAWatchEndsWithTheLastProcess(t *testing.T) {
	var pids []int
	var ends []io.Closer
	for range 3 {
		cmd := exec.Command(fixture.Build(t, "c/idle.c"))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
		pids, ends = append(pids, cmd.Process.Pid), append(ends, in)
	}
	watch, err := NewWatch(append(pids, 1<<29))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	if err := watch.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all are there: %v", err)
	}
	cancel()
	ends[0].Close()
	ends[1].Close()
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	if err := watch.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one is there: %v", err)
	}
	cancel()
	ends[2].Close()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := watch.Wait(ctx); err != nil {
		t.Errorf("none is there: %v", err)
	}
}

func TestAWatchWithoutPidfds(t *testing.T) {
	cmd := exec.Command(fixture.Build(t, "c/idle.c"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watch, err := NewWatch([]int{cmd.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	unix.Close(watch.fds[0])
	watch.fds[0] = noPidfd
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	time.AfterFunc(50*time.Millisecond, func() { in.Close() })
	if err := watch.Wait(ctx); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
