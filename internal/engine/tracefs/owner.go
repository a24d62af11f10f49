package tracefs

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What a run makes in tracefs outlives it if it is killed. So the names of its instance and of its events' group say whose they are,
// and the next start removes those whose owner is dead:
//
//	sonde_PID_STARTTIME_NAMESPACE_N
//
// STARTTIME is in ticks since boot (proc_pid_stat(5), field 22), NAMESPACE the inode of the owner's PID namespace: from another one
// nobody can tell whether it lives. N tells the runs of one process apart.
var ownerName = regexp.MustCompile(`^sonde_([0-9]+)_([0-9]+)_([0-9]+)_[0-9]+$`)

// namespace is the PID namespace that process numbers of ours belong to, 0 unknown.
func namespace() uint64 {
	info, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return stat.Ino
}

// startTime is when a process began, "" when there is none.
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(stat[max(strings.LastIndexByte(string(stat), ')'), 0):]), ") ")
	fields := strings.Fields(rest)
	const after = 22 - 3 // fields behind the name begin with the third
	if !ok || len(fields) <= after || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[after]
}

// orphan reports whether a name is a run's whose process is gone.
func orphan(name string) bool {
	m := ownerName.FindStringSubmatch(name)
	if m == nil || m[3] != strconv.FormatUint(namespace(), 10) {
		return false
	}
	pid, err := strconv.Atoi(m[1])
	return err == nil && startTime(pid) != m[2]
}

// claim makes an instance of our own: its name is the first that is free.
func (f folder) claim() (name string, err error) {
	prefix := fmt.Sprintf("sonde_%d_%s_%d_", os.Getpid(), startTime(os.Getpid()), namespace())
	for n := range 1 << 16 {
		name = prefix + strconv.Itoa(n)
		if err = os.Mkdir(f.path("instances", name), 0o700); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", notPermitted(err)
	}
	return name, nil
}

// Sweep removes what killed runs left behind, if any did: a run that needs no tracefs itself looks at the names of instances only.
func Sweep() {
	for _, at := range mounts() {
		f := folder(at)
		list, err := os.ReadDir(f.path("instances"))
		if err != nil {
			continue
		}
		if slices.ContainsFunc(list, func(e os.DirEntry) bool { return orphan(e.Name()) }) {
			f.sweep()
		}
		return
	}
}

// sweep removes what runs left behind that were killed. Others may do so at the same time.
func (f folder) sweep() {
	list, _ := os.ReadDir(f.path("instances"))
	for _, entry := range list {
		if orphan(entry.Name()) {
			f.removeInstance(entry.Name())
		}
	}
	for _, group := range f.groups() {
		if orphan(group) {
			f.removeEvents(group)
		}
	}
}

// groups lists the groups that uprobes are defined in.
func (f folder) groups() []string {
	var list []string
	seen := map[string]bool{}
	for _, line := range f.lines("uprobe_events") {
		if group, _, ok := eventOf(line); ok && !seen[group] {
			seen[group] = true
			list = append(list, group)
		}
	}
	return list
}

// eventOf takes "p:GROUP/EVENT PATH:OFFSET ..." apart.
func eventOf(line string) (group, name string, ok bool) {
	first, _, _ := strings.Cut(line, " ")
	_, first, _ = strings.Cut(first, ":")
	return strings.Cut(first, "/")
}

// removeInstance takes an instance away; that disables what it had enabled.
func (f folder) removeInstance(name string) error {
	err := patiently(func() error { return os.Remove(f.path("instances", name)) })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// removeEvents undefines all events of a group.
func (f folder) removeEvents(group string) error {
	var errs []error
	seen := map[string]bool{}
	for _, line := range f.lines("uprobe_events") {
		of, name, ok := eventOf(line)
		if !ok || of != group || seen[name] {
			continue
		}
		seen[name] = true
		err := patiently(func() error { return f.add("uprobe_events", "-:"+group+"/"+name+"\n") })
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// patiently tries again while something is busy: an event that someone is listing cannot be removed.
func patiently(try func() error) error {
	var err error
	for range 50 {
		if err = try(); !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
