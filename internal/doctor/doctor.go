// Package doctor says what this machine allows, what each gap costs and what mends it.
//
// In: the machine as Look finds it. Out: a report as data. Invariant: looking changes nothing, and a fact that cannot be
// found out is reported as unknown and never guessed. It must not print.
package doctor

import (
	"errors"

	"github.com/sonde-project/sonde/script"
)

// State says how a check went.
type State string

const (
	OK   State = "ok"
	Gap  State = "gap"  // something does not work, or costs more than it need
	Info State = "info" // worth knowing, nothing to mend
)

// Check is one line of the report.
type Check struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Found string `json:"found"`           // what is there
	Costs string `json:"costs,omitempty"` // what is lost by it
	Mend  string `json:"mend,omitempty"`  // a command, or what else to do
}

// Report is all checks, and what follows from them.
type Report struct {
	// Engine is the engine that a run would use, "" when none can.
	Engine string  `json:"engine"`
	Checks []Check `json:"checks"`
}

// Examine looks at this machine.
func Examine() Report { return Look().Report() }

// Report judges a machine.
func (m *Machine) Report() Report {
	var r Report
	switch {
	case m.NoProc != nil:
	case m.Loads == nil:
		r.Engine = "kernel"
	case m.Defines == nil && errors.Is(m.Loads, script.NotPermitted):
		r.Engine = "tracefs"
	case errors.Is(m.Loads, script.NotPermitted) && m.enters():
		r.Engine = "user"
	}
	for _, check := range checks {
		r.Checks = append(r.Checks, check(m)...)
	}
	return r
}

// checks are all there are, in the order of the report: first what decides, then what it is made of.
var checks = []func(*Machine) []Check{
	(*Machine).kernel, (*Machine).proc, (*Machine).loading, (*Machine).capabilities, (*Machine).settings, (*Machine).lockdown, (*Machine).seccomp,
	(*Machine).linking, (*Machine).memory, (*Machine).records, (*Machine).types, (*Machine).jit, (*Machine).namespaces,
	(*Machine).ptrace, (*Machine).inside, (*Machine).memlock, (*Machine).tracefs, (*Machine).events, (*Machine).others,
}

// Gaps counts the checks that found one.
func (r *Report) Gaps() int {
	n := 0
	for _, c := range r.Checks {
		if c.State == Gap {
			n++
		}
	}
	return n
}
