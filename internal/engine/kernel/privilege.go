package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/script"
)

// Codes of this engine's diagnostics.
const (
	codeNotPermitted script.Code = "not-permitted"
	codeOldKernel    script.Code = "kernel-too-old"
	codeRefused                  = engine.Refused
)

// Privileges is what decides whether a process may load and attach programs.
type Privileges struct {
	Effective     uint64 // capability bits
	Known         int    // the kernel's highest capability
	UserNamespace bool   // capabilities count only inside a user namespace, where eBPF asks for those outside
	Seccomp       bool   // a filter looks at system calls
	// Sysctls as text, "" where the kernel has none.
	UnprivilegedBPF string // kernel.unprivileged_bpf_disabled
	PerfParanoid    string // kernel.perf_event_paranoid
	Lockdown        string // "none", "integrity", "confidentiality"
}

// ReadPrivileges looks at this process and its kernel.
func ReadPrivileges() Privileges {
	status := statusFields("/proc/thread-self/status")
	p := Privileges{
		UnprivilegedBPF: readWord("/proc/sys/kernel/unprivileged_bpf_disabled"),
		PerfParanoid:    readWord("/proc/sys/kernel/perf_event_paranoid"),
		Lockdown:        lockdown(readWord("/sys/kernel/security/lockdown")),
		Seccomp:         status["Seccomp"] == "2",
	}
	p.Effective, _ = strconv.ParseUint(status["CapEff"], 16, 64)
	p.Known, _ = strconv.Atoi(readWord("/proc/sys/kernel/cap_last_cap"))
	all := strings.Fields(readWord("/proc/self/uid_map"))
	p.UserNamespace = len(all) == 3 && (all[0] != "0" || all[1] != "0" || all[2] != "4294967295")
	return p
}

func statusFields(path string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(readWord(path)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields
}

// readWord gives a small file without the space around it, "" when it cannot be read.
func readWord(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// lockdown picks the word in brackets: "none [integrity] confidentiality".
func lockdown(text string) string {
	_, rest, _ := strings.Cut(text, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}

// Has reports whether a capability, by its number, is in force.
func (p Privileges) Has(capability int) bool { return p.Effective>>capability&1 == 1 }

// Missing names the capabilities that loading and attaching uprobe programs wants and this process lacks. CAP_SYS_ADMIN
// stands for all of them.
func (p Privileges) Missing() []string {
	if p.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	if p.Known < unix.CAP_BPF {
		return []string{"CAP_SYS_ADMIN"}
	}
	var names []string
	if !p.Has(unix.CAP_BPF) {
		names = append(names, "CAP_BPF")
	}
	if !p.Has(unix.CAP_PERFMON) {
		names = append(names, "CAP_PERFMON")
	}
	return names
}

// permitted tries the smallest program. Kernels before 5.11 charge memory to RLIMIT_MEMLOCK and say EPERM, so the limit is
// raised, but only then: a command that sonde starts inherits it.
func permitted() error {
	smallest := trial{kind: ebpf.Kprobe, code: nothing()}
	fd, err := smallest.load()
	if errors.Is(err, unix.EPERM) {
		unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) == nil {
			fd, err = smallest.load()
		}
	}
	switch {
	case err == nil:
		return unix.Close(fd)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return notPermitted("load eBPF programs")
	case errors.Is(err, unix.ENOSYS):
		return tooOld("bpf(2)")
	}
	return fmt.Errorf("smallest eBPF program: %w", err)
}

// notPermitted says what this process may not do, what it lacks, and which settings ask for that.
func notPermitted(deed string) *script.Diagnostic {
	return ReadPrivileges().diagnose(deed)
}

func (p Privileges) diagnose(deed string) *script.Diagnostic {
	d := &script.Diagnostic{Code: codeNotPermitted, Message: "the kernel does not let this process " + deed}
	hint := func(format string, args ...any) { d.Hints = append(d.Hints, fmt.Sprintf(format, args...)) }
	missing := p.Missing()
	if len(missing) == 0 && !p.Has(unix.CAP_SYS_ADMIN) {
		missing = []string{"CAP_SYS_ADMIN"} // newer kernels want it for uprobes of perf
	}
	if len(missing) > 0 {
		d.Message += ": it lacks " + strings.Join(missing, " and ") + p.settings()
		hint("run it as root, or once: setcap %s=ep %s", strings.ToLower(strings.Join(append(missing, "CAP_SYS_PTRACE"), ",")), self())
	}
	if p.UserNamespace {
		hint("its capabilities count only inside its user namespace: run sonde outside it")
	}
	if p.Seccomp {
		hint("a seccomp filter, as containers have, may refuse bpf(2): start the container with these capabilities added, or privileged")
	}
	if p.Lockdown == "confidentiality" || p.Lockdown == "integrity" && len(missing) == 0 {
		hint("kernel lockdown is %q", p.Lockdown)
	}
	return d
}

// settings names the sysctls that keep an unprivileged process out.
func (p Privileges) settings() string {
	var said []string
	for _, s := range []struct{ name, value, open string }{
		{"kernel.unprivileged_bpf_disabled", p.UnprivilegedBPF, "0"},
		{"kernel.perf_event_paranoid", p.PerfParanoid, "-1"},
	} {
		if s.value != "" && s.value != s.open {
			said = append(said, s.name+" is "+s.value)
		}
	}
	if said == nil {
		return ""
	}
	return " (" + strings.Join(said, ", ") + ")"
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		return "sonde"
	}
	return path
}

// tooOld says what a kernel lacks that nothing replaces.
func tooOld(what string) *script.Diagnostic {
	var u unix.Utsname
	unix.Uname(&u)
	return &script.Diagnostic{
		Code:    codeOldKernel,
		Message: fmt.Sprintf("kernel %s lacks %s", unix.ByteSliceToString(u.Release[:]), what),
		Hints:   []string{"Linux 5.15 and later have it"},
	}
}

// Permitted says why this process may not load programs; nil when it may.
func Permitted() error { return permitted() }
