package target

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ByComm gives the processes whose name is comm, ascending. The kernel keeps 15 bytes of a name, so no more are compared.
func ByComm(comm string) []int {
	comm = comm[:min(len(comm), 15)]
	return running(func(s stat) bool { return s.comm == comm })
}

// Running gives the processes that run a program, ascending.
func Running() []int {
	return running(func(stat) bool { return true })
}

func running(wanted func(stat) bool) []int {
	var pids []int
	for _, pid := range numbersIn("/proc") {
		if s, err := readStat(pid); err == nil && s.flags&kernelThreadFlag == 0 && (!s.dead() || survivor(pid) != 0) && wanted(s) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Container is a running container, found in the control groups of its processes.
type Container struct {
	ID      string // as its runtime names it: 64 hexadecimal digits, or a name
	Runtime string // "docker", "containerd", "cri-o", "podman", "lxc", "nspawn"
	PIDs    []int  // ascending
	// Cgroup is the ID of its cgroup of version 2, as bpf_get_current_cgroup_id gives it for processes directly in it;
	// 0 when the machine has no such hierarchy.
	Cgroup uint64
}

// FindContainer finds the container whose ID begins with id (or, for lxc and nspawn, whose name it is). The error is a
// *script.Diagnostic: none, or several.
func FindContainer(id string) (Container, error) {
	all := Containers()
	var fit []Container
	var names []string
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
		if id != "" && strings.HasPrefix(c.ID, id) {
			fit = append(fit, c)
		}
		names = append(names, short(c.ID))
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return Container{}, diagnosis(NoContainer, fmt.Sprintf("%d containers have IDs that begin with %q", len(fit), id),
			"they are "+short(fit[0].ID)+", "+short(fit[1].ID))
	case len(all) == 0:
		return Container{}, diagnosis(NoContainer, fmt.Sprintf("no container %q: no process here runs in one", id))
	}
	return Container{}, diagnosis(NoContainer, fmt.Sprintf("no container %q", id),
		"running are "+strings.Join(names[:min(len(names), 10)], ", "), "a container goes by its ID; its runtime's ps command shows it")
}

// short is the form in which runtimes show an ID.
func short(id string) string { return id[:min(len(id), 12)] }

// Containers gives all containers that have processes we can see, by ID.
func Containers() []Container {
	found := map[string]*Container{}
	for _, pid := range numbersIn("/proc") {
		text, err := os.ReadFile(procPath(pid, "cgroup"))
		if err != nil {
			continue
		}
		id, runtime, path := parseCgroup(string(text))
		if id == "" {
			continue
		}
		c := found[id]
		if c == nil {
			c = &Container{ID: id, Runtime: runtime, Cgroup: cgroupID(path)}
			found[id] = c
		}
		c.PIDs = append(c.PIDs, pid)
	}
	var all []Container
	for _, c := range found {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Container) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// cgroupID is the inode number of a cgroup's folder, which is the ID that programs see; 0 when path is "" or not there.
func cgroupID(path string) uint64 {
	if path == "" {
		return 0
	}
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err != nil {
			continue
		}
		info, err := os.Stat(filepath.Join(mount, path))
		if err != nil {
			return 0
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return stat.Ino
		}
	}
	return 0
}

// parseCgroup finds a container in the text of /proc/PID/cgroup ("hierarchy:controllers:path" a line). unified is the
// path in the version 2 hierarchy up to the container's own part, "" when there is none.
func parseCgroup(text string) (id, runtime, unified string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		elements := strings.Split(parts[2], "/")
		for i := len(elements) - 1; i >= 0; i-- {
			parent := ""
			if i > 0 {
				parent = elements[i-1]
			}
			if found, by := containerOf(elements[i], parent); found != "" {
				id, runtime = found, by
				if parts[0] == "0" {
					return id, runtime, strings.Join(elements[:i+1], "/")
				}
				break
			}
		}
	}
	return id, runtime, ""
}

// containerOf reads one element of a cgroup path, in the forms that runtimes use with and without systemd.
func containerOf(element, parent string) (id, runtime string) {
	scope, isScope := strings.CutSuffix(element, ".scope")
	for _, form := range []struct{ prefix, runtime string }{
		{"docker-", "docker"}, {"cri-containerd-", "containerd"}, {"nerdctl-", "containerd"}, {"crio-", "cri-o"}, {"libpod-", "podman"},
	} {
		if rest, ok := strings.CutPrefix(scope, form.prefix); ok && isHexID(rest) {
			return rest, form.runtime
		}
	}
	switch {
	case strings.HasPrefix(element, "lxc.payload."):
		return strings.TrimPrefix(element, "lxc.payload."), "lxc"
	case isScope && strings.HasPrefix(scope, "machine-"):
		return strings.TrimPrefix(scope, "machine-"), "nspawn"
	case parent == "lxc":
		return element, "lxc"
	case !isHexID(element):
		return "", ""
	case parent == "docker":
		return element, "docker"
	case parent == "libpod_parent":
		return element, "podman"
	case strings.HasPrefix(parent, "pod") || parent == "default" || parent == "k8s.io" || strings.HasPrefix(parent, "kubepods"):
		return element, "containerd"
	}
	return "", ""
}

// isHexID recognises the 64 hexadecimal digits of a container's ID.
func isHexID(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
