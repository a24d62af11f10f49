package doctor

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/script"
)

// yes makes a check that is all right when it holds, and a gap else.
func yes(holds bool, good, gap Check) []Check {
	if holds {
		good.State = OK
		return []Check{good}
	}
	gap.Name, gap.State = good.Name, Gap
	return []Check{gap}
}

func (m *Machine) kernel() []Check {
	return yes(m.Arch == "amd64",
		Check{Name: "kernel", Found: "Linux " + m.Release + " on x86-64"},
		Check{Found: "Linux " + m.Release + " on " + m.Arch, Costs: "sonde observes x86-64 programs only"})
}

// proc tells whether this process can be told of; what needs that is left out otherwise.
func (m *Machine) proc() []Check {
	if m.OtherProc == nil {
		return nil
	}
	c := Check{Name: "/proc", State: Gap, Found: m.OtherProc.Error(), Costs: "no process can be named; what /proc would tell of this one is left out here"}
	if m.NoProc != nil {
		c.Costs = "nothing can be observed; what it would tell of this process is left out here"
	}
	var d *script.Diagnostic
	if errors.As(m.OtherProc, &d) {
		c.Found, c.Mend = d.Message, strings.Join(d.Hints, "; ")
	}
	return []Check{c}
}

func (m *Machine) loading() []Check {
	gap := Check{Costs: "the kernel engine cannot run"}
	if m.Loads != nil {
		gap.Found = m.Loads.Error()
		var d *script.Diagnostic
		if errors.As(m.Loads, &d) {
			gap.Found = d.Message
			if len(d.Hints) > 0 {
				gap.Mend = d.Hints[0]
			}
		}
	}
	return yes(m.Loads == nil, Check{Name: "eBPF", Found: "programs load"}, gap)
}

func (m *Machine) capabilities() []Check {
	if m.OtherProc != nil {
		return nil
	}
	missing := m.Privileges.Missing()
	all := yes(len(missing) == 0, Check{Name: "capabilities", Found: "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"}, Check{
		Found: "without " + strings.Join(missing, " and "),
		Costs: "no program can be loaded into the kernel",
		Mend:  fmt.Sprintf("sudo setcap %s,cap_sys_ptrace=ep %s", strings.ToLower(strings.Join(missing, ",")), m.Self),
	})
	if m.Privileges.UserNamespace {
		all = append(all, Check{Name: "user namespace", State: Gap, Found: "capabilities are those of a user namespace",
			Costs: "eBPF asks for capabilities outside it", Mend: "run sonde outside the user namespace"})
	}
	return all
}

// settings shows the sysctls that keep processes without capabilities out. For those with them they mean nothing.
func (m *Machine) settings() []Check {
	if m.OtherProc != nil {
		return nil
	}
	privileged := len(m.Privileges.Missing()) == 0
	setting := func(name, value, open, costs string) Check {
		c := Check{Name: name, State: OK, Found: value}
		switch {
		case value == "":
			c.State, c.Found = Info, "this kernel has no such setting"
		case value != open && privileged:
			c.State, c.Found = Info, value+": without capabilities nobody may; this process may"
		case value != open:
			c.State, c.Costs = Gap, costs
		}
		return c
	}
	bpf := setting("kernel.unprivileged_bpf_disabled", m.Privileges.UnprivilegedBPF, "0", "processes without CAP_BPF may load nothing")
	perf := setting("kernel.perf_event_paranoid", m.Privileges.PerfParanoid, "-1", "processes without CAP_PERFMON may open no uprobe as a perf event")
	for _, c := range []*Check{&bpf, &perf} {
		if c.State == Gap {
			c.Mend = "give the capabilities above; opening this setting does not help uprobes"
		}
	}
	return []Check{bpf, perf}
}

func (m *Machine) lockdown() []Check {
	switch m.Privileges.Lockdown {
	case "", "none":
		return []Check{{Name: "lockdown", State: OK, Found: "none"}}
	case "integrity":
		return []Check{{Name: "lockdown", State: Info, Found: "integrity: eBPF may read, and not write"}}
	}
	return []Check{{Name: "lockdown", State: Gap, Found: m.Privileges.Lockdown,
		Costs: "eBPF may not read memory: no arguments behind pointers, no stacks",
		Mend:  "boot with lockdown=integrity on the kernel's command line, or without Secure Boot"}}
}

func (m *Machine) seccomp() []Check {
	if m.OtherProc != nil {
		return nil
	}
	c := Check{Name: "seccomp", State: OK, Found: "no filter"}
	if m.Privileges.Seccomp {
		c.State, c.Found = Info, "a filter lets bpf(2) through"
		if m.Loads != nil {
			c.State, c.Found = Gap, "a filter looks at this process's system calls, and may be what refuses bpf(2)"
			c.Costs = "no program can be loaded into the kernel"
			c.Mend = "docker run --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE, or --privileged"
		}
	}
	return []Check{c}
}

func (m *Machine) linking() []Check {
	if m.Loads != nil {
		return nil
	}
	s := &m.Support
	all := yes(s.Multi, Check{Name: "uprobe_multi", Found: "one link arms any number of functions"}, Check{
		Found: "absent: one perf event a function",
		Costs: "every function takes about 0.1 s to take its probe away again",
		Mend:  "Linux 6.6 or later",
	})
	if s.Multi {
		all = append(all, yes(s.PIDFilter, Check{Name: "process filter", Found: "the kernel narrows probes to a process"}, Check{
			Found: "the kernel narrows probes to one thread",
			Costs: "sonde filters by itself: with -p PID, other processes that use the library trap too",
			Mend:  "Linux 6.10 or later",
		})...)
		return all
	}
	return append(all, yes(s.PerfEvent, Check{Name: "perf uprobes", Found: "the kernel opens uprobes as perf events"}, Check{
		Found: "absent", Costs: "there is no way to arm a probe", Mend: "a kernel with CONFIG_UPROBE_EVENTS and CONFIG_PERF_EVENTS",
	})...)
}

func (m *Machine) memory() []Check {
	if m.Loads != nil {
		return nil
	}
	all := yes(m.Support.Sleepable, Check{Name: "sleepable programs", Found: "pages that are not in memory yet are read"}, Check{
		Found: "absent", Costs: "text on a page that its program has not touched reads as unreadable", Mend: "Linux 6.1 or later",
	})
	c := Check{Name: "bpf_copy_from_user_str", State: OK, Found: "strings are read in one call"}
	if m.Support.CopyFromUserStr == 0 {
		c.State, c.Found = Info, "absent: strings are read in pieces, a little slower (Linux 6.12 has it)"
	}
	return append(all, c)
}

func (m *Machine) records() []Check {
	if m.Loads != nil {
		return nil
	}
	all := yes(m.Support.RingBuf, Check{Name: "ring buffer", Found: "events come in order through one buffer"}, Check{
		Found: "absent", Costs: "counts work, events do not", Mend: "Linux 5.8 or later",
	})
	for _, c := range []struct {
		name string
		has  bool
		why  string
	}{
		{"uprobe sessions", m.Support.Sessions, "compiled objects with such programs are refused (Linux 6.13 has them)"},
		{"task storage", m.Support.TaskStorage, "a table by thread takes its place"},
		{"may_goto", m.Support.MayGoto, "loops in scripts are unrolled"},
		{"signed division", m.Support.CPUv4, "it is computed from unsigned division"},
	} {
		check := Check{Name: c.name, State: OK, Found: "there"}
		if !c.has {
			check.State, check.Found = Info, "absent: "+c.why
		}
		all = append(all, check)
	}
	return all
}

func (m *Machine) types() []Check {
	return yes(m.HasTypes, Check{Name: "BTF", Found: "the kernel shows its types"}, Check{
		Found: "no /sys/kernel/btf/vmlinux", Costs: "children of an observed process cannot be followed",
		Mend: "a kernel with CONFIG_DEBUG_INFO_BTF; or mount -t sysfs sysfs /sys, if it is not mounted",
	})
}

func (m *Machine) jit() []Check {
	if m.OtherProc != nil {
		return nil
	}
	if m.JIT == "" {
		return []Check{{Name: "JIT", State: Info, Found: "unknown"}}
	}
	return yes(m.JIT != "0", Check{Name: "JIT", Found: "programs become machine code"}, Check{
		Found: "programs are interpreted", Costs: "every hit takes longer, and kernel functions cannot be called",
		Mend: "sudo sysctl net.core.bpf_jit_enable=1",
	})
}

func (m *Machine) namespaces() []Check {
	if m.Loads != nil || m.Support.Namespace.Ino == 0 {
		return nil
	}
	return []Check{{Name: "PID namespace", State: Info,
		Found: "not the initial one: processes outside it are seen, under the numbers that the initial one gives them"}}
}

func (m *Machine) ptrace() []Check {
	if m.OtherProc != nil {
		return nil
	}
	c := Check{Name: "ptrace", State: OK, Found: "this process may look into others"}
	if m.Ptrace && m.Yama != "3" {
		return []Check{c}
	}
	c.Found = "this process may look into those of its user"
	switch m.Yama {
	case "", "0":
	case "1":
		c.State, c.Found = Gap, "kernel.yama.ptrace_scope is 1: this process may look into its own children only"
		c.Costs, c.Mend = "running processes cannot be examined with -p", "sudo sysctl kernel.yama.ptrace_scope=0"
	case "3":
		c.State, c.Found = Gap, "kernel.yama.ptrace_scope is 3: nobody may trace a process, root neither"
		c.Costs, c.Mend = "commands cannot be started to be observed, nor processes from inside", "boot with a lower kernel.yama.ptrace_scope: it cannot be taken back before"
	default:
		c.State, c.Found = Gap, "kernel.yama.ptrace_scope is "+m.Yama+": this process may look into no other"
		c.Costs, c.Mend = "neither -p nor a command that sonde starts can be observed", "run sonde as root"
	}
	return []Check{c}
}

func (m *Machine) memlock() []Check {
	c := Check{Name: "memlock", State: Info, Found: fmt.Sprintf("%d KiB; kernels since 5.11 do not charge eBPF to it", m.Memlock>>10)}
	if m.Memlock == unix.RLIM_INFINITY {
		c.Found = "unlimited"
	}
	return []Check{c}
}

func (m *Machine) tracefs() []Check {
	return yes(m.Tracefs != "", Check{Name: "tracefs", Found: "mounted at " + m.Tracefs}, Check{
		Found: "not mounted", Costs: "probes that other tools left in it are not seen",
		Mend: "sudo mount -t tracefs tracefs /sys/kernel/tracing",
	})
}

// events tells whether the engine without eBPF can run.
func (m *Machine) events() []Check {
	if m.OtherProc != nil {
		return nil
	}
	c := Check{Name: "uprobe events", State: OK, Found: "this process may define them in tracefs: --engine=tracefs works"}
	if m.Defines == nil {
		return []Check{c}
	}
	c.State, c.Found = Info, m.Defines.Error()
	var d *script.Diagnostic
	if errors.As(m.Defines, &d) {
		c.Found = d.Message
		c.Mend = strings.Join(d.Hints, "; ")
	}
	if m.Loads != nil {
		c.State, c.Costs = Gap, "the tracefs engine cannot run either"
	}
	return []Check{c}
}

// others lists the uprobes that are armed by somebody else: each hit of a function costs what all its probes cost.
func (m *Machine) others() []Check {
	byProgram := map[string]int{}
	var order []string
	for _, l := range m.Links {
		line := fmt.Sprintf("program %s (%d) in %s", l.Program, l.ID, l.File)
		if byProgram[line] == 0 {
			order = append(order, line)
		}
		byProgram[line] += l.Sites
	}
	found := append([]string(nil), m.Traced...)
	for _, line := range order {
		found = append(found, fmt.Sprintf("%d sites of %s", byProgram[line], line))
	}
	c := Check{Name: "other uprobes", State: OK, Found: "none"}
	if len(found) > 0 {
		c.State, c.Found = Info, strings.Join(found, "; ")
		c.Costs = "a function with several probes costs what all of them cost"
	}
	if len(m.Traced) > 0 {
		c.Mend = fmt.Sprintf("those in tracefs stay until they are removed: echo > %s/uprobe_events", m.Tracefs)
	}
	return []Check{c}
}
