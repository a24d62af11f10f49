package inject

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// A system call that our stop interrupts goes on waiting: none comes back with EINTR, and no sleep ends early.
func TestWaitingThreadsDoNotNotice(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/waits.c"))
	for range 20 {
		h.attach(h.code["failed"]).detach()
	}
	_ = h.in.Close()
	out, _ := io.ReadAll(h.out)
	if err := h.cmd.Wait(); string(out) != "done\n" || err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Where one thread cannot be stopped, and so nothing is done, system calls of the others gave EINTR.
func TestWaitingThreadsDoNotNoticeThatAnotherDoesNotStop(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/waits.c", "-DVFORK"))
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	var d *script.Diagnostic
	if _, err := p.stop(func(*hold) error { return nil }); !errors.As(err, &d) || d.Code != Busy {
		t.Errorf("%v", err)
	}
	p.Close()
	_ = h.in.Close()
	out, _ := io.ReadAll(h.out)
	if err := h.cmd.Wait(); string(out) != "done\n" || err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Attached to and left again and again while its threads run in the patched functions, the program computes what it should.
func TestHotThreadsSurviveManyAttachments(t *testing.T) {
	manyAttachments(t, 50)
}

func manyAttachments(t *testing.T, times int) {
	h := start(t, fixture.Build(t, "engine/hot.c"), "4")
	for range times {
		c := h.attach(h.code["fold"], h.code["step"])
		time.Sleep(time.Millisecond)
		if len(c.refused) > 0 {
			t.Errorf("refused: %v", c.refused)
		}
		c.detach()
	}
	h.untouched(h.code["fold"])
	h.untouched(h.code["step"])
	h.exact(h.code["fold"])
	h.end()
}

// A program that job control has stopped is attached to, stays stopped, and runs counted when it is continued.
func TestStoppedProgramStaysStopped(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hot.c"), "2")
	state := func() string {
		s, err := readStatus(h.pid(), h.pid())
		if err != nil {
			t.Fatal(err)
		}
		return s["State"][:1]
	}
	until := func(want string) {
		for range 2000 {
			if state() == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("state %s, want %s", state(), want)
	}
	_ = h.cmd.Process.Signal(syscall.SIGSTOP)
	until("T")
	c := h.attach(h.code["fold"])
	until("T")
	time.Sleep(20 * time.Millisecond)
	if got := c.count(0); got != 0 || state() != "T" {
		t.Errorf("%d calls of a stopped program, state %s", got, state())
	}
	h.resume()
	from := h.calls()
	before := c.count(0)
	h.run()
	if to := h.calls(); c.count(0)-before != to-from || to == from {
		t.Errorf("%d calls counted, the program made %d", c.count(0)-before, to-from)
	}
	_ = h.cmd.Process.Signal(syscall.SIGSTOP)
	until("T")
	c.detach()
	until("T")
	h.resume()
	h.untouched(h.code["fold"])
	h.end()
}

// resume continues a stopped program, and expects that it then runs.
func (h *hot) resume() {
	h.t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all = all[:0]
		p := target.Process{PID: h.pid()}
		for _, tid := range p.Threads() {
			s, err := readStatus(h.pid(), tid)
			if err == nil && (strings.HasPrefix(s["State"], "T") || strings.HasPrefix(s["State"], "t")) {
				all = append(all, fmt.Sprintf("thread %d: %s, traced by %s, waiting signals %s %s", tid, s["State"], s["TracerPid"], s["SigPnd"], s["ShdPnd"]))
			}
		}
		if len(all) == 0 {
			return
		}
	}
	h.t.Fatalf("continued, but stopped: %s", all)
}

// A user without any capability attaches to a program of the same user.
func TestNobodyMayCountItsOwnProgram(t *testing.T) {
	fixture.NeedRoot(t)
	path := fixture.Build(t, "engine/hot.c")
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd := exec.Command(path, "3")
	cmd.SysProcAttr = nobody
	h := startCommand(t, cmd, path)
	tracer := exec.Command(asNobody(t), "-test.run=^$")
	tracer.SysProcAttr = nobody
	tracer.Env = append(os.Environ(), "INJECT_TRACER=exact", "INJECT_PID="+strconv.Itoa(h.pid()), "INJECT_PATH="+path, "INJECT_WORDS="+h.words())
	if out, err := tracer.CombinedOutput(); err != nil || !strings.Contains(string(out), "counted") {
		t.Errorf("%v\n%s", err, out)
	}
	h.untouched(h.code["fold"])
	h.end()
}

// asNobody gives a copy of this test that any user may execute.
func asNobody(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fixture.Copy(t, self)
}

func (h *hot) words() string {
	var words []string
	for name, f := range h.code {
		words = append(words, fmt.Sprintf("%s %#x", name, f.addr))
	}
	return strings.Join(words, " ")
}

// Whatever step a tracer is killed at, the program runs on, and can be made whole.
func TestTracerMayDieAtEveryStep(t *testing.T) {
	for _, static := range []bool{false, true} {
		var flags []string
		if static {
			flags = []string{"-static"}
		}
		path := fixture.Build(t, "engine/hot.c", flags...)
		h := start(t, path, "3")
		steps := map[string]int{}
		for n := 1; ; n++ {
			what, died := dieAt(t, h, path, n, static)
			if !died {
				break
			}
			steps[what]++
			if before, after := h.calls(), h.callsAgain(); after == before {
				t.Fatalf("step %d (%s): the program stands still", n, what)
			}
			h.say("go")
			mended, left, err := Recover(h.pid())
			if err != nil || left != 0 {
				t.Fatalf("step %d (%s): %d mended, %d left, %v", n, what, mended, left, err)
			}
			h.untouched(h.code["fold"])
			h.untouched(h.code["step"])
			if t.Failed() {
				t.Fatalf("step %d (%s)", n, what)
			}
		}
		t.Logf("%v", steps)
		for _, what := range []string{"seize", "interrupt", "registers", "mask", "syscall", "mask back", "continue", "journal", "write", "detach"} {
			if steps[what] == 0 {
				t.Errorf("no tracer died at %q: %v", what, steps)
			}
		}
		h.exact(h.code["fold"])
		h.end()
	}
}

// callsAgain lets the program run and pauses it again.
func (h *hot) callsAgain() uint64 {
	h.t.Helper()
	before := h.calls()
	for range 100 {
		h.run()
		if after := h.calls(); after != before {
			return after
		}
	}
	return before
}

// dieAt attaches and detaches in another process that is killed at its nth step. apart: it patches each function in a stop of its own.
func dieAt(t *testing.T, h *hot, path string, n int, apart bool) (what string, died bool) {
	t.Helper()
	self, _ := os.Executable()
	tracer := exec.Command(self, "-test.run=^$")
	tracer.Env = append(os.Environ(), "INJECT_TRACER=die", "INJECT_STEP="+strconv.Itoa(n), "INJECT_PID="+strconv.Itoa(h.pid()), "INJECT_PATH="+path, "INJECT_WORDS="+h.words())
	if apart {
		tracer.Env = append(tracer.Env, "INJECT_APART=1")
	}
	out, err := tracer.Output()
	if err == nil {
		return "", false
	}
	if tracer.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("step %d: %v\n%s", n, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], true
}

// TestMain is a tracer where a test asks for one.
func TestMain(m *testing.M) {
	mode := os.Getenv("INJECT_TRACER")
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := trace(mode); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func trace(mode string) error {
	if mode == "follow" {
		return follow()
	}
	pid, _ := strconv.Atoi(os.Getenv("INJECT_PID"))
	t := &fatal{}
	h := &hot{t: t, code: map[string]function{}}
	h.locate(os.Getenv("INJECT_PATH"), strings.Fields(os.Getenv("INJECT_WORDS")))
	p, err := Open(pid)
	if err != nil {
		return err
	}
	c := &counter{t: t, p: p}
	if os.Getenv("INJECT_APART") != "" {
		p.slice = 0
	}
	if mode == "die" {
		steps, last := 0, 0
		last, _ = strconv.Atoi(os.Getenv("INJECT_STEP"))
		p.step = func(what string) {
			if steps++; steps == last {
				fmt.Println(what)
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	c.attach([]function{h.code["fold"], h.code["step"]})
	for end := time.Now().Add(time.Minute); c.count(0) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("nothing counted")
		}
	}
	fmt.Println("counted")
	c.detach()
	return nil
}

// fatal is a test that is none.
type fatal struct{ testing.TB }

func (*fatal) Helper()           {}
func (*fatal) Cleanup(func())    {}
func (*fatal) Fatal(args ...any) { fmt.Println(args...); os.Exit(1) }
func (*fatal) Fatalf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}
