package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/target"
)

// Machine is what was found. Texts are "" where the kernel has no such setting or does not let it be read.
type Machine struct {
	Arch, Release string
	Self          string // path of this program
	NoProc        error  // why there is no /proc: no run begins
	OtherProc     error  // why /proc does not tell of this process: what it would tell is unknown
	Privileges    kernel.Privileges
	Ptrace        bool // CAP_SYS_PTRACE
	Loads         error
	Support       kernel.Support // meaningful when Loads is nil
	HasTypes      bool           // /sys/kernel/btf/vmlinux
	JIT           string         // net.core.bpf_jit_enable
	Yama          string         // kernel.yama.ptrace_scope
	NoExec        string         // vm.memfd_noexec
	SELinux       string         // "1" enforcing
	FSBase        bool           // programs may read their FS base
	Memlock       uint64         // RLIMIT_MEMLOCK in bytes
	Tracefs       string         // where it is mounted
	Defines       error          // why no uprobes can be defined in tracefs
	// Traced are the uprobes that somebody defined through tracefs, Links those armed by eBPF.
	Traced []string
	Links  []kernel.UprobeLink
}

// Look finds out about this machine and this process.
func Look() *Machine {
	m := &Machine{Arch: runtime.GOARCH, Privileges: kernel.ReadPrivileges()}
	m.Release = release()
	m.NoProc, m.OtherProc = target.HasProc(), target.OwnProc()
	m.Self, _ = os.Executable()
	m.Ptrace = m.Privileges.Has(unix.CAP_SYS_PTRACE)
	m.Support, m.Loads = kernel.Probe()
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	m.HasTypes = err == nil
	m.JIT = word("/proc/sys/net/core/bpf_jit_enable")
	m.NoExec = word("/proc/sys/vm/memfd_noexec")
	m.SELinux = word("/sys/fs/selinux/enforce")
	m.FSBase = user.ReadsFSBase(os.Getpid())
	m.Yama = word("/proc/sys/kernel/yama/ptrace_scope")
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		m.Memlock = limit.Cur
	}
	m.Tracefs, m.Traced = others()
	m.Defines = tracefs.Available()
	m.Links = kernel.UprobeLinks()
	return m
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func word(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// others finds where tracefs is mounted, and the uprobes that are defined in it.
func others() (mount string, events []string) {
	for _, mount := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		text, err := os.ReadFile(filepath.Join(mount, "uprobe_events"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		return mount, strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	}
	return "", nil
}
