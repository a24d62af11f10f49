package doctor

import "strings"

// inside tells whether the engine inside the process can run, and on which processes.
func (m *Machine) inside() []Check {
	if m.OtherProc != nil {
		return nil
	}
	c := Check{Name: "inside a process", State: OK, Found: "--engine=user works on any process of this PID namespace that has no seccomp filter and no other tracer"}
	var also []string
	switch {
	case m.Arch != "amd64":
		c.State, c.Found = Info, "--engine=user runs on x86-64 only"
		return []Check{c}
	case m.Yama == "3":
		c.State, c.Found = Gap, "kernel.yama.ptrace_scope is 3: nobody may stop a process, root neither"
		c.Costs, c.Mend = "--engine=user cannot run", "boot with a lower kernel.yama.ptrace_scope: it cannot be taken back before"
	case m.Ptrace:
	case m.Yama == "" || m.Yama == "0":
		c.Found = "--engine=user works on processes of this user and PID namespace that have no seccomp filter and no other tracer"
	case m.Yama == "1":
		c.State, c.Found = Info, "kernel.yama.ptrace_scope is 1: --engine=user works on commands that sonde starts"
	default:
		c.State, c.Found = Gap, "kernel.yama.ptrace_scope is "+m.Yama+": no process may be stopped"
		c.Costs, c.Mend = "--engine=user cannot run", "run sonde as root"
	}
	if m.NoExec == "2" {
		c.State, c.Costs, c.Mend = Gap, "--engine=user cannot map its code", "sudo sysctl vm.memfd_noexec=1"
		also = append(also, "vm.memfd_noexec is 2")
	}
	if m.Privileges.Seccomp {
		also = append(also, "a seccomp filter looks at the system calls of sonde itself, and may refuse ptrace")
	}
	if m.SELinux == "1" {
		also = append(also, "SELinux is enforcing and may forbid shared memory that runs")
	}
	if !m.FSBase {
		also = append(also, "programs may not read their FS base here (FSGSBASE): what a command executes is refused")
	}
	if m.Loads == nil && c.State != Gap {
		also = append(also, "so does --engine=hybrid, as eBPF is permitted")
	}
	c.Found = strings.Join(append([]string{c.Found}, also...), "; ")
	return []Check{c}
}

// enters reports whether that engine runs on some processes.
func (m *Machine) enters() bool {
	c := m.inside()
	return m.Arch == "amd64" && len(c) > 0 && c[0].State != Gap
}
