package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// sondeRun is a run of sonde on a program that calls twice a thousand times a second.
type sondeRun struct {
	*exec.Cmd
	t     *testing.T
	work  *exec.Cmd
	said  string // the file of its standard error
	ended chan error
}

// observeWork starts `sonde VERB twice -p PID` and waits until it observes.
func observeWork(t *testing.T, out io.Writer, wrap []string, verb string, flags ...string) *sondeRun {
	t.Helper()
	work := exec.Command(fixture.Build(t, "command/work.c"), "wait")
	if err := work.Start(); err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(t.TempDir(), "ready")
	argv := append(append(wrap, "sonde", verb, "twice", "-p", strconv.Itoa(work.Process.Pid), "--ready-file", ready), flags...)
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	o := &sondeRun{Cmd: exec.Command(argv[0], argv[1:]...), t: t, work: work, said: stderr.Name(), ended: make(chan error, 1)}
	o.Stdout, o.Stderr = out, stderr
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = o.Process.Kill()
		_ = work.Process.Kill()
		_ = work.Wait()
	})
	go func() { o.ended <- o.Wait() }()
	o.until("it observes", func() bool { _, err := os.Stat(ready); return err == nil })
	return o
}

// until waits for what does come.
func (o *sondeRun) until(what string, is func() bool) {
	o.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			o.t.Fatalf("waiting for %s; it has said %q", what, o.stderr())
		}
	}
}

func (o *sondeRun) stderr() string {
	text, _ := os.ReadFile(o.said)
	return string(text)
}

// asks sends a signal, and lets it be one wish.
func (o *sondeRun) asks(s syscall.Signal) {
	_ = o.Process.Signal(s)
	time.Sleep(2 * oneRequest)
}

// Ctrl-C ends a run that nobody reads only at the third time, and at the second says so.
func TestTheThirdCtrlCEndsAtOnce(t *testing.T) {
	fixture.NeedRoot(t)
	for _, signal := range []syscall.Signal{unix.SIGINT, unix.SIGTERM} {
		o, _ := observeUnread(t, "trace")
		o.asks(signal)
		if said := o.stderr(); strings.Contains(said, "once more") {
			t.Errorf("after the first %v it says %q", signal, said)
		}
		o.asks(signal)
		o.until("what the second one means", func() bool { return strings.Contains(o.stderr(), "once more ends at once") })
		select {
		case err := <-o.ended:
			t.Fatalf("the second %v ended it: %v", signal, err)
		default:
		}
		time.Sleep(2 * oneRequest) // it may have been heard late
		o.asks(signal)
		<-o.ended
		if got := o.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != signal {
			t.Errorf("the third %v: %v", signal, o.ProcessState)
		}
	}
}

// Signals that come in one go are one wish, while the run ends and when it has: timeout(1) sends its own twice, and the second one killed.
func TestSignalsInOneGoAreOneWish(t *testing.T) {
	fixture.NeedRoot(t)
	for _, engine := range []string{"kernel", "user"} {
		var out bytes.Buffer
		o := observeWork(t, &out, nil, "count", "--engine="+engine)
		time.Sleep(50 * time.Millisecond)
		for end := time.Now().Add(oneRequest / 2); time.Now().Before(end); time.Sleep(100 * time.Microsecond) { // longer than the run goes on, mostly
			_ = o.Process.Signal(unix.SIGTERM)
		}
		if err := <-o.ended; err != nil || !strings.Contains(out.String(), "twice") {
			t.Errorf("%s: %v, %q, %q", engine, err, out.String(), o.stderr())
		}
	}
}

// A run that was started by nohup(1) outlives its terminal.
func TestNohupIsHeeded(t *testing.T) {
	fixture.NeedRoot(t)
	var out bytes.Buffer
	o := observeWork(t, &out, []string{"nohup"}, "count")
	o.asks(unix.SIGHUP)
	select {
	case err := <-o.ended:
		t.Fatalf("SIGHUP ended it: %v", err)
	default:
	}
	o.asks(unix.SIGTERM)
	if err := <-o.ended; err != nil || !strings.Contains(out.String(), "twice") {
		t.Errorf("%v, %q", err, out.String())
	}
}

// Before anything is touched, Ctrl-C ends the command as it ends any other.
func TestCtrlCBeforeARunEndsAtOnce(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "script")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sonde", "run", fifo) // reads for as long as nobody writes
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // it reads now
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	_ = c.Process.Signal(unix.SIGINT)
	_ = c.Wait()
	if got := c.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != unix.SIGINT {
		t.Errorf("%v", c.ProcessState)
	}
}
