package target

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how a command is started. The zero value starts it as a shell would from here.
type Options struct {
	Env                   []string // nil: ours
	Dir                   string   // "": ours
	Stdin, Stdout, Stderr *os.File // nil: ours
	// Kept: someone else may go on tracing the command after ReleaseStopped. Until he says otherwise (prctl, PR_SET_PDEATHSIG), or Release is called, it
	// ends with us.
	Kept bool
}

// Command is a started program, held before its first instruction until Release. It stays in our process group, so that
// Ctrl-C reaches it as from a shell. Its methods may be called from several goroutines.
type Command struct {
	// Path is what is executed; for a script, the script.
	Path string
	pid  int
	// release asks the thread that traces the child, the only one that the kernel lets detach it, to do so.
	release chan letGo
	work    chan func()
	ended   chan struct{}
	status  Status
	waitErr error
	lock    sync.Mutex // guards reaped against a signal to a number that is no longer the child's
	reaped  bool
}

// Status is how a command ended.
type Status struct {
	Code   int            // exit status, meaningful when Signal is 0
	Signal syscall.Signal // what killed it, 0 none
	Core   bool           // it left a core file
}

// ExitCode is the number that a shell shows: 128 plus the signal's for a killed command.
func (s Status) ExitCode() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// Start starts a command and holds it. It is traced from its first instruction to Release, and ends with us if we die in
// between; from Release on it runs as if nobody had looked. Errors about what was typed are *script.Diagnostic.
//
// The caller must call Release or Kill, and then Wait.
func Start(argv []string, o Options) (*Command, error) {
	if len(argv) == 0 {
		return nil, diagnosis(NoProgram, "no command is given")
	}
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	path, err := lookProgram(argv[0], variable(env, "PATH"), o.Dir)
	if err != nil {
		return nil, err
	}
	if err := keepsRights(from(o.Dir, path)); err != nil {
		return nil, err
	}
	c := &Command{Path: path, release: make(chan letGo), work: make(chan func()), ended: make(chan struct{})}
	attr := &syscall.ProcAttr{Dir: o.Dir, Env: env, Files: o.files(), Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: endsWithUs}}
	started := make(chan error)
	go c.trace(argv, attr, o.Kept, started)
	if err := <-started; err != nil {
		return nil, startProblem(path, err)
	}
	return c, nil
}

func (o Options) files() []uintptr {
	files := []uintptr{0, 1, 2}
	for i, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if f != nil {
			files[i] = f.Fd()
		}
	}
	return files
}

// variable gives the value of the last setting of a name, as getenv of the child would find it after os/exec's rules.
func variable(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name {
			value = entry[len(name)+1:]
		}
	}
	return value
}

// trace starts the child and keeps the thread that may speak to it.
func (c *Command) trace(argv []string, attr *syscall.ProcAttr, kept bool, started chan<- error) {
	runtime.LockOSThread() // for good: the thread, with which endsWithUs comes, ends with the goroutine
	pid, err := syscall.ForkExec(c.Path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) { // no #! line: execvp hands such a file to the shell
		pid, err = syscall.ForkExec("/bin/sh", append([]string{"/bin/sh", c.Path}, argv[1:]...), attr)
	}
	if err != nil {
		started <- err
		return
	}
	c.pid = pid
	err = c.untilFirstInstruction()
	if err == nil && !kept {
		err = outlive(pid)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		started <- err
		return
	}
	started <- nil
	c.hold(kept)
}

// untilFirstInstruction waits for the trap that execve leaves to a traced process. Other signals that come before are
// the command's own and go on to it.
func (c *Command) untilFirstInstruction() error {
	for {
		var status unix.WaitStatus
		if _, err := retried(func() (int, error) { return unix.Wait4(c.pid, &status, unix.WALL, nil) }); err != nil {
			return fmt.Errorf("wait for the command's first instruction: %w", err)
		}
		switch {
		case !status.Stopped():
			return fmt.Errorf("the command ended before its first instruction: %v", describe(status))
		case status.StopSignal() == unix.SIGTRAP:
			// Should we die before Release, the command must not run unobserved, nor stay stopped.
			return unix.PtraceSetOptions(c.pid, unix.PTRACE_O_EXITKILL|unix.PTRACE_O_TRACESYSGOOD)
		}
		if err := unix.PtraceCont(c.pid, int(status.StopSignal())); err != nil {
			return fmt.Errorf("go on to the command's first instruction: %w", err)
		}
	}
}

// hold keeps the child stopped until it is released or killed, then waits for its end.
func (c *Command) hold(kept bool) {
	killed := make(chan struct{})
	go func() {
		// A child that is killed while it is held becomes a zombie; waiting for it without reaping tells so.
		_ = waitEnd(c.pid)
		close(killed)
	}()
	for held := true; held; {
		select {
		case f := <-c.work:
			f()
		case l := <-c.release:
			var err error
			switch {
			case l.stopped:
				err = unix.Kill(c.pid, unix.SIGSTOP) // taken before its next instruction
			case kept:
				err = outlive(c.pid)
			}
			l.answer <- errors.Join(err, unix.PtraceDetach(c.pid))
			held = false
		case <-killed:
			held = false
		}
	}
	<-killed
	c.reap()
}

// Trace runs a function on the thread that traces the held command, the only one that may look into it and change it. It must leave
// the command stopped, and its end to Wait. Once the command is released or has ended the function does not run.
func (c *Command) Trace(f func()) {
	done := make(chan struct{})
	select {
	case c.work <- func() { defer close(done); f() }:
		<-done
	case <-c.ended:
	}
}

// waitEnd waits until a child has ended and leaves it for reap. The kernel tells every thread of ours of stops that one of them has asked
// for as a tracer; those are passed over.
func waitEnd(pid int) error {
	for {
		var info unix.Siginfo
		_, err := retried(func() (int, error) {
			return 0, unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		})
		if err != nil || info.Code <= lastEnd {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// lastEnd is the last of the codes that tell of an end (CLD_EXITED, CLD_KILLED, CLD_DUMPED) and not of a stop: waitid(2).
const lastEnd = 3

// reap takes the exit status.
func (c *Command) reap() {
	var status unix.WaitStatus
	c.lock.Lock()
	_, c.waitErr = retried(func() (int, error) { return unix.Wait4(c.pid, &status, 0, nil) })
	c.reaped = true
	c.lock.Unlock()
	c.status = describe(status)
	close(c.ended)
}

func describe(status unix.WaitStatus) Status {
	if status.Signaled() {
		return Status{Signal: status.Signal(), Core: status.CoreDump()}
	}
	return Status{Code: status.ExitStatus()}
}

// retried repeats a call that a signal interrupted.
func retried(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// PID is the command's process ID.
func (c *Command) PID() int { return c.pid }

// Process looks at the command as at any other process. Before Release it maps its program and the dynamic linker only.
func (c *Command) Process() (*Process, error) { return Open(c.pid) }

// Release lets the command run. Nothing of the tracing is left: it detaches without a signal, and later tracers find
// the place free. A command that was killed meanwhile is no error.
func (c *Command) Release() error { return c.letGo(false) }

// ReleaseStopped lets go of the command, which stands still by SIGSTOP then, for another thread of ours to trace it. The command was started as
// Kept.
func (c *Command) ReleaseStopped() error { return c.letGo(true) }

// letGo asks for the end of the tracing.
type letGo struct {
	answer  chan error
	stopped bool
}

func (c *Command) letGo(stopped bool) error {
	answer := make(chan error, 1)
	select {
	case c.release <- letGo{answer, stopped}:
	case <-c.ended:
		return nil
	}
	if err := <-answer; err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("release command %d: %w", c.pid, err)
	}
	return nil
}

// Wait waits for the end of a command that was released or killed.
func (c *Command) Wait() (Status, error) {
	<-c.ended
	if c.waitErr != nil {
		return Status{}, fmt.Errorf("wait for command %d: %w", c.pid, c.waitErr)
	}
	return c.status, nil
}

// Ended is closed when the command has ended.
func (c *Command) Ended() <-chan struct{} { return c.ended }

// Signal sends a signal to the command, and nothing once it has ended.
func (c *Command) Signal(s syscall.Signal) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.reaped {
		return nil
	}
	if err := unix.Kill(c.pid, s); err != nil {
		return fmt.Errorf("signal %v to command %d: %w", s, c.pid, err)
	}
	return nil
}

// Kill ends the command at once, held or running.
func (c *Command) Kill() error { return c.Signal(unix.SIGKILL) }

// startProblem says why the kernel would not execute a file.
func startProblem(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return diagnosis(NotExecutable, fmt.Sprintf("%s: its interpreter is missing", path), "the first line of a script, or the dynamic linker of a program, names a file that is not there")
	case errors.Is(err, syscall.EACCES):
		return diagnosis(NotExecutable, fmt.Sprintf("%s: permission denied", path))
	case errors.Is(err, syscall.ENOEXEC), errors.Is(err, syscall.ELIBBAD):
		return diagnosis(NotExecutable, fmt.Sprintf("%s is a program for another machine, or damaged", path))
	case errors.Is(err, syscall.E2BIG):
		return diagnosis(NotExecutable, fmt.Sprintf("%s: its arguments and environment are too long", path))
	}
	return fmt.Errorf("start %s: %w", path, err)
}

// keepsRights refuses a program that takes other rights when it is executed (set-user-ID, file capabilities): the kernel
// withholds them from a traced process, so it would not run as it does unobserved. Root is not held back.
func keepsRights(path string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil // Start will say why
	}
	_, capErr := unix.Getxattr(path, "security.capability", nil)
	if info.Mode()&(os.ModeSetuid|os.ModeSetgid) == 0 && capErr != nil {
		return nil
	}
	return diagnosis(NotPermitted, fmt.Sprintf("%s runs with rights of its own, which the kernel withholds while it is traced", path),
		"start it yourself and observe it by its process ID", "run as root")
}
