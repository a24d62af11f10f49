package inject

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Codes of why a process is not observed from inside.
const (
	Seccomp     script.Code = "seccomp"
	ShadowStack script.Code = "shadow-stack"
	Traced      script.Code = "traced"
	Foreign     script.Code = "foreign-machine"
	Busy        script.Code = "busy"
	NoRegion    script.Code = "no-region"
	Stripped    script.Code = "stripped"
	Replaced    script.Code = "replaced"
	Unsupported script.Code = "unsupported-machine"
	Apart       script.Code = "apart"
	TooLarge    script.Code = "too-large" // as codegen says of plans
)

const kernelHint = "use --engine=kernel, as root"

func diagnosis(code script.Code, message string, hints ...string) *script.Diagnostic {
	return &script.Diagnostic{Code: code, Message: message, Hints: hints}
}

// status is /proc/PID/status by key.
type status map[string]string

func readStatus(pid, tid int) (status, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(tid), "status"))
	if err != nil {
		return nil, err
	}
	s := status{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		s[key] = strings.TrimSpace(value)
	}
	return s, nil
}

// number gives the first number of a line, 0 when there is none.
func (s status) number(key string) int {
	word, _, _ := strings.Cut(s[key], "\t")
	n, _ := strconv.Atoi(word)
	return n
}

// permitted refuses what could not be stopped, or not without harm.
func permitted(p *target.Process) error {
	if err := wellFormed(p); err != nil {
		return err
	}
	s, err := readStatus(p.PID, p.PID)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	if by := s.number("TracerPid"); by != 0 && !isSonde(by) {
		return traced(p.PID, by)
	}
	return nil
}

// wellFormed refuses processes whose kind does not allow it.
func wellFormed(p *target.Process) error {
	who := fmt.Sprintf("process %d (%s)", p.PID, p.Comm)
	if p.PID == os.Getpid() {
		return diagnosis(script.NotPermitted, "sonde cannot stop itself to observe itself from inside", kernelHint)
	}
	if p.Leaderless() {
		return diagnosis(target.Leaderless, fmt.Sprintf("the first thread of %s has ended; from inside only whole processes are observed", who), kernelHint)
	}
	for _, tid := range p.Threads() {
		s, err := readStatus(p.PID, tid)
		if err != nil {
			continue
		}
		if err := s.allows(who); err != nil {
			return err
		}
	}
	file, err := elf.Open(filepath.Join("/proc", strconv.Itoa(p.PID), "exe"))
	if err != nil {
		return fmt.Errorf("%s: its program: %w", who, err)
	}
	defer file.Close()
	if file.Class != elf.ELFCLASS64 || file.Machine != machine {
		return diagnosis(Foreign, fmt.Sprintf("%s runs a program for %v, %v; only those of this machine's own kind are observed from inside", who, file.Machine, file.Class), kernelHint)
	}
	return nil
}

// allows refuses a thread whose calls and system calls are looked at.
func (s status) allows(who string) error {
	switch {
	case s.number("Seccomp") != 0:
		return diagnosis(Seccomp, who+" runs under seccomp, which may kill it for a system call that is made in its place", kernelHint)
	case slices.Contains(strings.Fields(s["x86_Thread_features"]), "shstk"):
		return diagnosis(ShadowStack, who+" has a shadow stack, to which a call that was moved would be a forged one", kernelHint)
	}
	return nil
}

// isSonde reports whether a process is another sonde: that one lets go in a moment.
func isSonde(pid int) bool {
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return false
	}
	own, _ := os.Readlink("/proc/self/exe")
	return exe == own || strings.HasPrefix(filepath.Base(exe), "sonde")
}

func commOf(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(text))
}

func traced(pid, by int) error {
	return diagnosis(Traced, fmt.Sprintf("process %d is being traced by process %d (%s), and a process has one tracer at a time", pid, by, commOf(by)),
		fmt.Sprintf("end %s first", commOf(by)), kernelHint)
}

// whyNot says why the kernel would not let a thread be traced.
func (p *Process) whyNot(tid int, err error) error {
	s, statusErr := readStatus(p.PID, tid)
	if statusErr != nil {
		return p.ended()
	}
	if by := s.number("TracerPid"); by != 0 {
		return traced(p.PID, by)
	}
	if err != unix.EPERM && err != unix.EACCES {
		return fmt.Errorf("stop thread %d of process %d: %w", tid, p.PID, err)
	}
	what := fmt.Sprintf("process %d (%s) may not be traced", p.PID, commOf(p.PID))
	scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return forbidden(what, strings.TrimSpace(string(scope)))
}

// forbidden says what keeps a process from being traced where Yama's scope is such ("" where there is no Yama). Source:
// Documentation/admin-guide/LSM/Yama.rst.
func forbidden(what, scope string) error {
	switch scope {
	case "1":
		return diagnosis(script.NotPermitted, what+": kernel.yama.ptrace_scope is 1, which allows a process's own ancestors only",
			"start the program by sonde: sonde VERB ... -- COMMAND", "run as root, or set kernel.yama.ptrace_scope to 0")
	case "2":
		return diagnosis(script.NotPermitted, what+": kernel.yama.ptrace_scope is 2, which allows CAP_SYS_PTRACE only", "run as root, or set kernel.yama.ptrace_scope to 0 or 1")
	case "3":
		return diagnosis(script.NotPermitted, what+": kernel.yama.ptrace_scope is 3, which allows nobody until the next boot", kernelHint)
	}
	return diagnosis(script.NotPermitted, what+": it belongs to another user, has more rights than we have, or forbids it (PR_SET_DUMPABLE)",
		"run as root or as the process's user")
}

func (p *Process) ended() error {
	return diagnosis(script.NoProcess, fmt.Sprintf("process %d has ended", p.PID))
}
