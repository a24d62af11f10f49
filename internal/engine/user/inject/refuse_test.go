package inject

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// What cannot be observed from inside without harm is refused with the reason and what to do instead, and runs on.
func TestRefusalsSayWhy(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, h *hot)
		code    script.Code
		says    string
	}{
		{"debugger", debugged, Traced, "(gdb)"},
		{"strace", straced, Traced, "(strace)"},
		{"zombie", killed, "zombie", "has ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, fixture.Build(t, "engine/hot.c"), "2")
			c.prepare(t, h)
			p, err := Open(h.pid())
			if err == nil {
				_, _, err = p.Map(Request{Near: []Span{{h.code["fold"].addr, h.code["fold"].addr + 1}}, Text: 1, Sites: 1})
				p.Close()
			}
			var d *script.Diagnostic
			if !errors.As(err, &d) || d.Code != c.code || !strings.Contains(d.Message, c.says) || c.code != "zombie" && len(d.Hints) == 0 {
				t.Errorf("%v", err)
			}
		})
	}
}

// A program under seccomp is refused before anything is done to it, and is not killed.
func TestProgramUnderSeccompIsRefusedAndLives(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/confined.c"))
	_, err := Open(h.pid())
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != Seccomp || len(d.Hints) == 0 {
		t.Errorf("%v", err)
	}
	h.end()
}

// A shadow stack has no place for calls that are made elsewhere. Few machines have it, so the kernel's words are given.
func TestThreadWithAShadowStackIsRefused(t *testing.T) {
	for features, code := range map[string]script.Code{"": "", "wrss": "", "shstk": ShadowStack, "shstk wrss": ShadowStack} {
		d := new(script.Diagnostic)
		err := status{"Seccomp": "0", "x86_Thread_features": features}.allows("it")
		if errors.As(err, &d); d.Code != code || code == "" && err != nil {
			t.Errorf("%q: %v", features, err)
		}
	}
}

// Processes of another user, and those that forbid it, are not permitted to a user without capabilities.
func TestForeignProcessIsNotPermitted(t *testing.T) {
	fixture.NeedRoot(t)
	h := start(t, fixture.Build(t, "engine/hot.c"), "2")
	tracer := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", asNobody(t), "-test.run=^$")
	tracer.Env = append(os.Environ(), "INJECT_TRACER=exact", "INJECT_PID="+strconv.Itoa(h.pid()), "INJECT_PATH="+fixture.Build(t, "engine/hot.c"), "INJECT_WORDS="+h.words())
	out, err := tracer.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "[not-permitted]") {
		t.Errorf("%v\n%s", err, out)
	}
	h.end()
}

// killed kills the program and waits for its end, which its parent is not told of.
func killed(t *testing.T, h *hot) {
	_ = h.cmd.Process.Kill()
	if err := unix.Waitid(unix.P_PID, h.pid(), nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

func debugged(t *testing.T, h *hot) {
	fixture.Need(t, "gdb")
	attached(t, h, exec.Command("gdb", "-q", "-nx", "-p", strconv.Itoa(h.pid())))
}

func straced(t *testing.T, h *hot) {
	fixture.Need(t, "strace")
	attached(t, h, exec.Command("strace", "-f", "-o", "/dev/null", "-p", strconv.Itoa(h.pid())))
}

// attached starts a tracer and waits until it traces the program.
func attached(t *testing.T, h *hot, cmd *exec.Cmd) {
	t.Helper()
	in, _ := cmd.StdinPipe()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // gdb has children of its own
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	for range 3000 {
		if s, err := readStatus(h.pid(), h.pid()); err == nil && s.number("TracerPid") != 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the tracer does not attach")
}

// Another tracer's breakpoint is not overwritten: that place is refused, the others are done.
func TestBreakpointOfAnotherTracerIsLeftAlone(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hot.c"), "2")
	h.calls()
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	fold, step := h.code["fold"], h.code["step"]
	if _, err := p.stop(func(s *hold) error { return s.write(step.addr, []byte{0xcc}) }); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Inspect().At(step.addr, step.code[:8]); err == nil || !strings.Contains(err.Error(), "breakpoint") {
		t.Errorf("Inspect: %v", err)
	}
	c := &counter{t: t, p: p}
	windows := (&counter{t: t, p: p}).plan([]function{fold})
	var refused error
	c.region, _, err = p.Map(Request{Near: []Span{{fold.addr, fold.addr + 1}, {step.addr, step.addr + 1}}, Text: 4096, Data: 4096, Sites: 2})
	if err != nil {
		t.Fatal(err)
	}
	c.patches = c.emit(windows)
	wrong := c.patches[0]
	wrong.Addr, wrong.Bytes, wrong.Moves = step.addr, step.code[:8], nil
	result, err := p.Patch(c.region, append(c.patches, wrong))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range result.Refused {
		if r.Patch != 1 {
			t.Errorf("refused: %v", r)
		}
		refused = r.Err
	}
	if !errors.Is(refused, Patched) {
		t.Errorf("%v", refused)
	}
	if _, err := p.stop(func(s *hold) error { return s.write(step.addr, step.code[:1]) }); err != nil {
		t.Fatal(err)
	}
	h.say("go")
	c.detach()
	h.untouched(fold)
	h.untouched(step)
	h.end()
}
