package tracefs

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tasks knows which process a thread belongs to, and which processes are observed. Events tell of threads only; that a thread or
// process begins is an event of its own (task:task_newtask), so in the order of time it is always known.
type tasks struct {
	group    map[int]int // thread -> process
	observed map[int]bool
	everyone bool
	children bool
}

func newTasks(pids []int, children bool) *tasks {
	t := &tasks{group: map[int]int{}, observed: map[int]bool{}, everyone: len(pids) == 0, children: children}
	for _, pid := range pids {
		t.observed[pid] = true
	}
	return t
}

// look notes all threads that there are, or those of the observed processes.
func (t *tasks) look() {
	if !t.everyone {
		for pid := range t.observed {
			t.threads(pid)
		}
		return
	}
	list, _ := os.ReadDir("/proc")
	for _, entry := range list {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			t.threads(pid)
		}
	}
}

// threads notes the threads of a process and lists them.
func (t *tasks) threads(pid int) []int {
	var all []int
	list, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	for _, entry := range list {
		if tid, err := strconv.Atoi(entry.Name()); err == nil {
			t.group[tid] = pid
			all = append(all, tid)
		}
	}
	return all
}

// begins notes a new thread or process.
func (t *tasks) begins(parent, child int, flags uint64) {
	if flags&unix.CLONE_THREAD == 0 {
		t.group[child] = child
		delete(t.observed, child)
		if from, ok := t.of(parent); ok && t.children && t.observed[from] {
			t.observed[child] = true
		}
		return
	}
	if process, ok := t.of(parent); ok {
		t.group[child] = process
	}
}

// of gives the process of a thread.
func (t *tasks) of(tid int) (int, bool) {
	if pid, ok := t.group[tid]; ok {
		return pid, true
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(status), "\nTgid:")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, false
	}
	t.group[tid] = pid
	return pid, true
}

func (t *tasks) observes(pid int) bool { return t.everyone || t.observed[pid] }
