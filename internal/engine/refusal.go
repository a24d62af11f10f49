package engine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// ErrNotSupp is ENOTSUPP: the kernel's own number for an instruction that it will not probe (arch/x86/kernel/uprobes.c);
// no C library knows it.
const ErrNotSupp = unix.Errno(524)

// KernelRefusal says which function the kernel does not probe, or not fully, and why: err is what it said to a probe's site.
func KernelRefusal(p *plan.Plan, probe, site int, err error) plan.Refusal {
	s := &p.Probes[probe].Sites[site]
	return plan.Refusal{
		Object: p.Objects[s.Object].Path, Function: p.Functions[s.Function].Name, Site: s,
		Why: fmt.Sprintf("the kernel refuses its %s at %v: %s", s.Role, s.Addr, reason(err)),
	}
}

// reason says in words what the errno of an attachment means.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrNotSupp), errors.Is(err, unix.ENOTSUP):
		return "it does not probe this instruction"
	case errors.Is(err, unix.EINVAL):
		return "invalid instruction or offset"
	case errors.Is(err, unix.EIO):
		return "it cannot probe files of this file system"
	case errors.Is(err, unix.EMFILE):
		return "too many open files: raise the limit (ulimit -n)"
	case errors.Is(err, unix.ESRCH):
		return "the process has ended"
	}
	return err.Error()
}

// NothingArmed is the error of a run that would observe nothing; its hints are the first reasons.
func NothingArmed(message string, refusals []plan.Refusal) error {
	d := &script.Diagnostic{Code: NotArmed, Message: message}
	for _, r := range refusals[:min(len(refusals), 3)] {
		d.Hints = append(d.Hints, r.Function+": "+r.Why)
	}
	return d
}
