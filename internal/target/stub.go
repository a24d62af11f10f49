// What is here stands in for parts of this package that are on their way; delete it when they arrive.

package target

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

type StartOptions struct{}
type Process struct{ PID int }
type Mapping struct {
	Start, End, Offset uint64
	Perms, Path        string
	Dev, Ino           uint64
}

func obj(p string) (Object, error) {
	st, err := os.Stat(p)
	if err != nil {
		return Object{}, err
	}
	s := st.Sys().(*syscall.Stat_t)
	return Object{Path: p, Open: p, Dev: s.Dev, Ino: s.Ino}, nil
}
func FindLibrary(n string) (Object, error) {
	if n == "libc" {
		n = "libc.so.6"
	}
	return obj("/lib/x86_64-linux-gnu/" + n)
}
func FindProgram(n string) (Object, error) {
	p, err := exec.LookPath(n)
	if err != nil {
		return Object{}, err
	}
	o, err := obj(p)
	o.Program = true
	return o, err
}
func OpenProcess(pid int) (*Process, error)         { return &Process{pid}, nil }
func (p *Process) Executable() (Object, error)      { return obj(fmt.Sprintf("/proc/%d/exe", p.PID)) }
func (p *Process) Objects() ([]Object, error)       { return nil, nil }
func (p *Process) Find(n string) (Object, error)    { return FindLibrary(n) }
func (p *Process) Object(m Mapping) (Object, error) { return obj(m.Path) }
func (p *Process) Maps() (out []Mapping, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", p.PID))
	if err != nil {
		return nil, err
	}
	s := bufio.NewScanner(f)
	for s.Scan() {
		var m Mapping
		fs := strings.Fields(s.Text())
		fmt.Sscanf(fs[0], "%x-%x", &m.Start, &m.End)
		fmt.Sscanf(fs[2], "%x", &m.Offset)
		m.Perms = fs[1]
		if len(fs) > 5 {
			m.Path = fs[5]
		}
		out = append(out, m)
	}
	return
}
func Alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

type Command struct {
	c    *exec.Cmd
	done chan int
}
type Exit int

func (e Exit) Code() int { return int(e) }
func Start(argv []string, _ StartOptions) (*Command, error) {
	c := exec.Command("/bin/sh", append([]string{"-c", "kill -STOP $$; exec \"$@\"", "x"}, argv...)...)
	c.Stdout, c.Stderr, c.Stdin = os.Stdout, os.Stderr, os.Stdin
	if err := c.Start(); err != nil {
		return nil, err
	}
	return &Command{c: c, done: make(chan int, 1)}, nil
}
func (c *Command) PID() int { return c.c.Process.Pid }
func (c *Command) Release() error {
	go func() { c.c.Wait(); c.done <- c.c.ProcessState.ExitCode() }()
	return c.c.Process.Signal(syscall.SIGCONT)
}
func (c *Command) Poll() (Exit, bool) {
	select {
	case n := <-c.done:
		return Exit(n), true
	default:
		return 0, false
	}
}
func (c *Command) Kill()                         { c.c.Process.Kill() }
func (c *Command) Signal(s syscall.Signal) error { return c.c.Process.Signal(s) }

// Names offers targets that begin with the text.
func Names(text string, pids []int) []string { return nil }
