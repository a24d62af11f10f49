package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// wantDiagnostic checks code and a word of the message or hints.
func wantDiagnostic(t *testing.T, name string, err error, code script.Code, word string) {
	t.Helper()
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != code || !strings.Contains(d.Message+" "+strings.Join(d.Hints, " "), word) {
		t.Errorf("%s: %v %+v, want [%s] with %q", name, err, d, code, word)
	}
}

// idle starts a program that waits, until the test ends; said is what it printed before "ready".
func idle(t *testing.T, cmd *exec.Cmd) (p *Process, said string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if line == "ready\n" {
			break
		}
		if err == io.EOF {
			t.Fatalf("%s ended before it was ready", cmd.Path)
		}
		said += strings.TrimSpace(line)
	}
	p, err = Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p, said
}

func TestAProcessAsItIs(t *testing.T) {
	path := fixture.Build(t, "c/idle.c")
	p, _ := idle(t, exec.Command(path, "threads", "fork"))
	if p.Exe != path || p.PPID != os.Getpid() || p.UID != os.Getuid() || p.EUID != os.Geteuid() || p.StartTime == 0 || p.MountNS == 0 ||
		p.PIDNS == 0 || !strings.HasPrefix(filepath.Base(path), p.Comm) || !p.Alive() {
		t.Errorf("%+v", p)
	}
	if threads := p.Threads(); len(threads) != 4 || threads[0] != p.PID {
		t.Errorf("threads %v of %d", threads, p.PID)
	}
	children := p.Children()
	if len(children) != 2 {
		t.Fatalf("children %v", children)
	}
	for _, child := range children {
		if c, err := Open(child); err != nil || c.PPID != p.PID {
			t.Errorf("child %+v %v", c, err)
		}
	}
	if pids := ByComm(p.Comm); !slices.Contains(pids, p.PID) || !slices.IsSorted(pids) {
		t.Errorf("ByComm(%s): %v without %d", p.Comm, pids, p.PID)
	}
	if pids := ByComm(filepath.Base(path)); !slices.Contains(pids, p.PID) {
		t.Errorf("ByComm of the whole name: %v without %d", pids, p.PID)
	}
	_, err := Open(p.Threads()[1])
	wantDiagnostic(t, "thread", err, NoProcess, strconv.Itoa(p.PID))
	for _, child := range children {
		_ = unix.Kill(child, unix.SIGKILL)
	}
}

func TestAProgramIsFoundByTheNameThatItWasStartedBy(t *testing.T) {
	path := fixture.Build(t, "c/idle.c")
	link := filepath.Join(t.TempDir(), "otherwise")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	p, _ := idle(t, exec.Command(link))
	if o, err := p.Find("otherwise"); err != nil || o.Path != path {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := p.Find("otherwis"); err == nil {
		t.Error("a part of the name was enough")
	}
}

func TestObjectsOfAProcess(t *testing.T) {
	path := fixture.Build(t, "c/idle.c")
	p, _ := idle(t, exec.Command(path, "libz.so.1", "libm.so.6"))
	objects, err := p.Objects()
	if err != nil || len(objects) < 4 || !objects[0].Program || objects[0].Path != path || objects[0].Open != path {
		t.Fatalf("%+v %v", objects, err)
	}
	for i, o := range objects {
		if (identity{o.Dev, o.Ino}) != fileID(o.Open) || o.Program != (i == 0) || o.Note != "" {
			t.Errorf("%+v", o)
		}
	}
	for name, want := range map[string]string{"libc": "libc.so.6", "c": "libc.so.6", "libc.so.6": "libc.so.6", "z": "libz.so.1", "m": "libm.so.6",
		"ld": "ld-linux-x86-64.so.2", "pthread": "libc.so.6"} {
		o, err := p.Library(name)
		if err != nil || !strings.HasPrefix(filepath.Base(o.Path), strings.TrimSuffix(want, ".1")) {
			t.Errorf("%s: %+v %v, want %s", name, o, err, want)
		}
	}
	_, err = p.Library("libmm")
	wantDiagnostic(t, "missing library", err, NoLibrary, "libm")
	_, err = p.Library("libpq")
	wantDiagnostic(t, "another missing library", err, NoLibrary, "it maps")
}

func TestBiasTakesAddressesToWhereTheyRun(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	maps, err := p.Maps()
	if err != nil {
		t.Fatal(err)
	}
	file, err := symbol.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	found := false
	for _, m := range maps {
		if m.Path != p.Exe || !m.Exec() {
			continue
		}
		bias, ok := file.Bias(m.Symbol())
		if !ok {
			t.Fatalf("%+v has no bias", m)
		}
		entry := file.EntryPoint().PC(bias)
		found = found || m.Contains(entry)
	}
	if !found {
		t.Error("the entry point is in no mapping")
	}
}

func TestDeletedReplacedAndOddlyNamedFiles(t *testing.T) {
	fixture.NeedRoot(t) // links below map_files are for root
	source, err := os.ReadFile(fixture.Build(t, "c/idle.c"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		change     func(path string) error
		deleted    bool
	}{
		{"untouched", "plain", func(string) error { return nil }, false},
		{"blanks and a line break", "a b\nc  d", func(string) error { return nil }, false},
		{"called deleted", "x (deleted)", func(string) error { return nil }, false},
		{"deleted", "gone", os.Remove, true},
		{"replaced", "new", func(path string) error {
			if err := os.WriteFile(path+".tmp", source, 0o755); err != nil {
				return err
			}
			return os.Rename(path+".tmp", path)
		}, true},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, source, 0o755); err != nil {
			t.Fatal(err)
		}
		want := fileID(path)
		p, _ := idle(t, exec.Command(path))
		if err := c.change(path); err != nil {
			t.Fatal(err)
		}
		objects, err := p.Objects()
		if err != nil || len(objects) == 0 {
			t.Errorf("%s: %v %v", c.name, objects, err)
			continue
		}
		o := objects[0]
		if !o.Program || o.Path != path || fileID(o.Open) != want || (o.Note != "") != c.deleted || (o.Open == path) == c.deleted {
			t.Errorf("%s: %+v, want %v", c.name, o, want)
		}
		if again, err := Find(o.Open); err != nil || fileID(again.Open) != want {
			t.Errorf("%s: what a process runs goes by %s, which leads to %+v (%v)", c.name, o.Open, again, err)
		}
	}
}

func TestCodeInMemoryFiles(t *testing.T) {
	fixture.NeedRoot(t)
	p, _ := idle(t, exec.Command(fixture.Build(t, "c/idle.c"), "memfd"))
	objects, err := p.Objects()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(objects, func(o Object) bool { return o.Path == "/memfd:code of mine" })
	if i < 0 || objects[i].Note == "" || fileID(objects[i].Open).ino != objects[i].Ino {
		t.Errorf("%+v", objects)
	}
}

func TestOddProcessesAreDiagnosed(t *testing.T) {
	for _, pid := range []int{0, -1, -1 << 40, 1 << 30} {
		_, err := Open(pid)
		wantDiagnostic(t, strconv.Itoa(pid), err, NoProcess, strconv.Itoa(pid))
	}
	for _, pid := range numbersIn("/proc") {
		if s, err := readStat(pid); err == nil && s.flags&kernelThreadFlag != 0 {
			_, err := Open(pid)
			wantDiagnostic(t, "kernel thread", err, KernelThread, s.comm)
			break
		}
	}
	_, said := idle(t, exec.Command(fixture.Build(t, "c/idle.c"), "zombie"))
	zombie, err := strconv.Atoi(said)
	if err != nil {
		t.Fatal(err)
	}
	for range 6000 {
		if s, err := readStat(zombie); err == nil && s.state == "Z" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, err = Open(zombie)
	wantDiagnostic(t, "zombie", err, Zombie, said)
	cmd := exec.Command(fixture.Build(t, "engine/calls.c"), "leaderless")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for range 6000 {
		if s, err := readStat(cmd.Process.Pid); err == nil && s.state == "Z" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	p, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatalf("a process that lost its first thread: %v", err)
	}
	exe, err := p.Executable()
	if err != nil || p.Exe != cmd.Path || exe.Path != cmd.Path || !p.Leaderless() || p.root != "" {
		t.Errorf("a process that lost its first thread: %+v, %+v, %v", p, exe, err)
	}
	watch, err := NewWatch([]int{p.PID})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := watch.Wait(soon); err == nil {
		t.Error("it is said to have ended")
	}
}

func TestAnEndedProcessIsGoneAndNotAnotherOne(t *testing.T) {
	cmd := exec.Command(fixture.Build(t, "c/idle.c"))
	p, _ := idle(t, cmd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = cmd.Process.Wait()
	if p.Alive() {
		t.Error("alive")
	}
	_, err := p.Maps()
	wantDiagnostic(t, "mappings", err, NoProcess, strconv.Itoa(p.PID))
	_, err = p.Library("libc")
	wantDiagnostic(t, "library", err, NoProcess, strconv.Itoa(p.PID))
	reused := *p
	reused.PID, reused.StartTime = os.Getpid(), 1
	if reused.Alive() {
		t.Error("another process under the number counts as the same")
	}
	_, err = reused.Maps()
	wantDiagnostic(t, "mappings of a reused number", err, NoProcess, "ended")
}

func TestForeignProcessesNeedRights(t *testing.T) {
	fixture.NeedRoot(t)
	p, _ := idle(t, exec.Command(fixture.Build(t, "c/idle.c")))
	out := asNobody(t, "open", strconv.Itoa(p.PID))
	if !strings.Contains(out, "["+string(NotPermitted)+"]") || !strings.Contains(out, "root") {
		t.Errorf("user nobody is told %q", out)
	}
}

// asNobody runs a part of this test binary as another user and gives what it prints.
func asNobody(t *testing.T, mode ...string) string {
	t.Helper()
	cmd := exec.Command(fixture.Copy(t, "/proc/self/exe"))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TARGET_TEST="+strings.Join(mode, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestMain plays the other side of some tests.
func TestMain(m *testing.M) {
	mode := strings.Fields(os.Getenv("TARGET_TEST"))
	if len(mode) == 0 {
		os.Exit(m.Run())
	}
	switch mode[0] {
	case "open":
		pid, _ := strconv.Atoi(mode[1])
		_, err := Open(pid)
		fmt.Println(err)
		var d *script.Diagnostic
		if errors.As(err, &d) {
			fmt.Println(d.Hints)
		}
	case "start":
		c, err := Start(mode[1:], Options{})
		fmt.Println(err)
		if err == nil {
			_ = c.Kill()
			_, _ = c.Wait()
		}
	case "run": // run a command, hear Ctrl-C ourselves, and say how it ended
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGINT)
		c, err := Start(mode[1:], Options{})
		if err == nil {
			err = c.Release()
		}
		fmt.Println("released")
		if err == nil {
			<-signals
			status, _ := c.Wait()
			fmt.Println("ended by", status.Signal)
		}
	case "released", "kept": // let a command go, running or to be kept, and wait to be killed
		kept := mode[0] == "kept"
		c, err := Start(mode[1:], Options{Kept: kept})
		switch {
		case err == nil && kept:
			err = c.ReleaseStopped()
		case err == nil:
			err = c.Release()
		}
		fmt.Println("released", err)
		for ; err == nil; time.Sleep(time.Millisecond) {
			_ = os.Getppid() // a step
		}
	case "own-mounts": // in a mount namespace of its own: hide one folder by another, then become the program
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount(mode[1], mode[2], "", unix.MS_BIND, "")
		}
		if err == nil {
			err = unix.Exec(mode[3], mode[3:], []string{"LD_LIBRARY_PATH=" + mode[2]})
		}
		fmt.Println(err)
	case "hold": // start a command, hold it, say its PID and wait to be killed
		c, err := Start(mode[1:], Options{})
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(c.PID())
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}
