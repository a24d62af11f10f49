package target

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a running process, as it was when Open looked.
type Process struct {
	PID       int
	PPID      int
	Comm      string // name of its first thread, at most 15 bytes
	Exe       string // path of its program as the process sees it, without " (deleted)"
	UID, EUID int
	// StartTime is in clock ticks since boot. PID and StartTime together name a process for good.
	StartTime uint64
	// MountNS and PIDNS identify namespaces; equal numbers are the same one.
	MountNS, PIDNS uint64
	root           root   // what its paths count from, "" when they mean to us what they mean to it
	rootPath       string // its root folder in its mount namespace, "/" unless it is in a chroot
}

// Open looks at a process. The error is a *script.Diagnostic: no such process, a thread's ID, a kernel thread, a zombie,
// one that we may not look into.
func Open(pid int) (*Process, error) {
	if pid <= 0 {
		return nil, diagnosis(NoProcess, fmt.Sprintf("there is no process %d: process IDs begin at 1", pid))
	}
	if err := OwnProc(); err != nil {
		return nil, err
	}
	stat, err := readStat(pid)
	if err != nil {
		return nil, noProcess(pid, err)
	}
	p := &Process{PID: pid, PPID: stat.ppid, Comm: stat.comm, StartTime: stat.start}
	switch {
	case stat.flags&kernelThreadFlag != 0:
		return nil, diagnosis(KernelThread, fmt.Sprintf("process %d (%s) is a thread of the kernel and runs no program", pid, stat.comm))
	case stat.dead() && survivor(pid) == 0:
		return nil, diagnosis(Zombie, fmt.Sprintf("process %d (%s) has ended; its parent %d has yet to ask for its exit status", pid, stat.comm, stat.ppid))
	}
	status, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return nil, noProcess(pid, err)
	}
	if leader := statusNumber(string(status), "Tgid", 0); leader != pid {
		return nil, diagnosis(NoProcess, fmt.Sprintf("%d is a thread of process %d (%s), not a process", pid, leader, stat.comm), fmt.Sprintf("observe process %d", leader))
	}
	p.UID, p.EUID = statusNumber(string(status), "Uid", 0), statusNumber(string(status), "Uid", 1)
	return p, p.look()
}

// look reads what only those may see that may trace the process.
func (p *Process) look() error {
	exe, err := os.Readlink(p.proc("exe"))
	if err != nil {
		return p.notPermitted(err)
	}
	p.rootPath, err = os.Readlink(p.proc("root"))
	if err != nil {
		return p.notPermitted(err)
	}
	p.Exe = p.inside(strings.TrimSuffix(exe, " (deleted)"))
	p.MountNS, p.PIDNS = namespace(p.proc("ns", "mnt")), namespace(p.proc("ns", "pid"))
	own, ownErr := os.Stat("/proc/self/root/")
	theirs, theirErr := os.Stat(p.proc("root") + "/")
	if ownErr != nil || theirErr != nil || !os.SameFile(own, theirs) || p.MountNS != ownNamespace("mnt") {
		p.root = root(p.proc("root"))
	}
	return nil
}

// inside turns a path that counts from the root of the mount namespace into one that counts from the process's own root.
func (p *Process) inside(path string) string {
	if p.rootPath == "/" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, p.rootPath); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return path
}

// noProcess says why a process cannot be seen at all.
func noProcess(pid int, err error) error {
	if unix.Kill(pid, 0) == unix.EPERM && errors.Is(err, fs.ErrNotExist) {
		return diagnosis(NotPermitted, fmt.Sprintf("process %d belongs to another user, and /proc hides it", pid), "run as root")
	}
	if errors.Is(err, fs.ErrPermission) {
		return diagnosis(NotPermitted, fmt.Sprintf("process %d: permission denied", pid), "run as root")
	}
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return diagnosis(NoProcess, fmt.Sprintf("no process %d", pid))
}

// notPermitted says why a process that is there cannot be looked into.
func (p *Process) notPermitted(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return noProcess(p.PID, err) // it has ended since
	}
	owner := strconv.Itoa(p.UID)
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	hint := "run as root or as " + owner
	switch {
	case os.Getuid() == 0:
		hint = "it has capabilities that this root lacks, as in a container; CAP_SYS_PTRACE would do"
	case p.UID == os.Getuid():
		hint = "run as root: the process has changed its user or its capabilities, or forbids being traced"
	case p.UID == 0:
		hint = "run as root"
	}
	return diagnosis(NotPermitted, fmt.Sprintf("process %d (%s) of user %s may not be looked into", p.PID, p.Comm, owner), hint)
}

// Alive reports whether the process still runs, its first thread included, and not another one under its number.
func (p *Process) Alive() bool {
	stat, err := readStat(p.PID)
	return err == nil && stat.start == p.StartTime && !stat.dead()
}

// Halted says what keeps the process from running; "" nothing, or the caller itself, for a moment.
func (p *Process) Halted() string {
	stat, err := readStat(p.PID)
	if err != nil || !strings.ContainsAny(stat.state, "Tt") {
		return ""
	}
	status, _ := os.ReadFile(procPath(p.PID, "status"))
	by := statusNumber(string(status), "TracerPid", 0) // a thread
	if _, err := os.Stat(procPath(os.Getpid(), "task", strconv.Itoa(by))); by > 0 && err == nil {
		return ""
	}
	if by > 0 {
		tracer, _ := readStat(by)
		return fmt.Sprintf("process %d (%s), which traces it, has stopped it", by, tracer.comm)
	}
	if stat.state == "t" {
		return "" // its tracer has let it go meanwhile
	}
	return fmt.Sprintf("it is stopped, and goes on by kill -CONT %d", p.PID)
}

// Leaderless reports whether the first thread of the process has ended, and others have not.
func (p *Process) Leaderless() bool {
	stat, err := readStat(p.PID)
	return err == nil && stat.start == p.StartTime && stat.dead() && survivor(p.PID) != 0
}

// proc gives a file of /proc that tells of the process. That of the first thread tells nothing of memory and root once this has ended; those of
// other threads still do.
func (p *Process) proc(parts ...string) string {
	if stat, err := readStat(p.PID); err == nil && stat.dead() {
		if tid := survivor(p.PID); tid != 0 {
			return procPath(tid, parts...)
		}
	}
	return procPath(p.PID, parts...)
}

// survivor gives a thread of a process that has not ended, 0 none.
func survivor(pid int) int {
	for _, tid := range numbersIn(procPath(pid, "task")) {
		if stat, err := readStat(tid); err == nil && !stat.dead() {
			return tid
		}
	}
	return 0
}

// Maps gives the mappings in order of address. Of a process that is about to execute a program it gives them when that is mapped: who has started it is
// told so before.
func (p *Process) Maps() ([]Mapping, error) {
	for end := time.Now().Add(execPatience); p.executes() && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
	text, err := os.ReadFile(p.proc("maps"))
	if err != nil {
		return nil, p.notPermitted(err)
	}
	if !p.Alive() && !p.Leaderless() {
		return nil, diagnosis(NoProcess, fmt.Sprintf("process %d (%s) has ended", p.PID, p.Comm))
	}
	return parseMaps(string(text)), nil
}

// execPatience is how long the kernel may take to map a program.
const execPatience = time.Second

// executes reports whether the kernel has taken the old program away and has not mapped all of the new one: it writes the auxiliary vector when it has
// (load_elf_binary, fs/binfmt_elf.c), and closes files before (begin_new_exec, fs/exec.c), by which parents know.
func (p *Process) executes() bool {
	file, err := os.Open(p.proc("auxv"))
	if err != nil {
		return false
	}
	defer file.Close()
	var first [16]byte
	n, _ := io.ReadFull(file, first[:])
	return n == len(first) && first == [16]byte{}
}

// Threads gives the thread IDs, ascending; empty when the process has ended.
func (p *Process) Threads() []int { return numbersIn(procPath(p.PID, "task")) }

// Children gives the processes that this one has started and that still run, ascending.
func (p *Process) Children() []int {
	var children []int
	supported := false
	for _, tid := range p.Threads() {
		text, err := os.ReadFile(procPath(p.PID, "task", strconv.Itoa(tid), "children"))
		supported = supported || err == nil
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				children = append(children, pid)
			}
		}
	}
	if !supported { // CONFIG_PROC_CHILDREN is off
		for _, pid := range numbersIn("/proc") {
			if stat, err := readStat(pid); err == nil && stat.ppid == p.PID {
				children = append(children, pid)
			}
		}
	}
	slices.Sort(children)
	return children
}

// FindLibrary finds a library as ld.so would for this process: in its mount namespace, with its LD_LIBRARY_PATH. It need
// not be mapped.
func (p *Process) FindLibrary(name string) (Object, error) {
	env, _ := os.ReadFile(p.proc("environ"))
	path := ""
	for entry := range strings.SplitSeq(string(env), "\x00") {
		if value, ok := strings.CutPrefix(entry, "LD_LIBRARY_PATH="); ok {
			path = value
		}
	}
	return newFinder(p.root, path).find(name)
}

func procPath(pid int, parts ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(pid)}, parts...)...)
}

func ownNamespace(kind string) uint64 { return namespace(procPath(os.Getpid(), "ns", kind)) }

// namespace gives the number in a link like "mnt:[4026531841]", 0 when it cannot be read.
func namespace(link string) uint64 {
	to, _ := os.Readlink(link)
	_, number, _ := strings.Cut(strings.TrimSuffix(to, "]"), ":[")
	n, _ := strconv.ParseUint(number, 10, 64)
	return n
}

// numbersIn lists the entries of a folder that are numbers, ascending.
func numbersIn(dir string) []int {
	open, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer open.Close()
	names, _ := open.Readdirnames(-1)
	var numbers []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// statusNumber gives the nth number of a line of /proc/PID/status, -1 when there is none.
func statusNumber(status, key string, n int) int {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			if fields := strings.Fields(rest); n < len(fields) {
				if v, err := strconv.Atoi(fields[n]); err == nil {
					return v
				}
			}
		}
	}
	return -1
}

// kernelThreadFlag is PF_KTHREAD of include/linux/sched.h.
const kernelThreadFlag = 0x0020_0000

// stat is what we read of /proc/PID/stat (proc(5)).
type stat struct {
	comm  string
	state string
	ppid  int
	flags uint64
	start uint64
}

// dead: it has ended, and its parent or tracer may have yet to hear of it.
func (s stat) dead() bool { return strings.ContainsAny(s.state, "ZX") }

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return stat{}, err
	}
	s, ok := parseStat(string(text))
	if !ok {
		return stat{}, syscall.ESRCH
	}
	return s, nil
}

// parseStat reads "PID (comm) S PPID ...". The name may hold blanks and parentheses: it ends at the last one.
func parseStat(text string) (stat, bool) {
	open, closing := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || closing < open {
		return stat{}, false
	}
	fields := strings.Fields(text[closing+1:]) // fields[0] is field 3 of proc(5)
	if len(fields) < 20 {
		return stat{}, false
	}
	s := stat{comm: text[open+1 : closing], state: fields[0]}
	var errs [3]error
	s.ppid, errs[0] = strconv.Atoi(fields[1])
	s.flags, errs[1] = strconv.ParseUint(fields[6], 10, 64)
	s.start, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	return s, errors.Join(errs[:]...) == nil
}
