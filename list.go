package sonde

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Listing says what of a target List gives.
type Listing uint8

// What List gives.
const (
	Functions    Listing = iota // with signature, source line and cost class
	StaticProbes                // USDT probes
	Lines                       // source lines with code
)

// List gives what a probe point names in the target, object by object in order of address: functions with signature, source
// line and cost class, static probes, or lines.
func (t *Target) List(pt script.Point, what Listing) ([]event.Function, error) {
	if pt.Target == "" {
		pt.Target = t.object
	}
	scope := resolve.Scope{PIDs: t.pids, Objects: t.objects}
	if len(t.argv) > 0 {
		scope.Program, scope.Started = t.argv[0], true
	}
	switch what {
	case StaticProbes:
		return resolve.ListStatic(pt, scope)
	case Lines:
		return resolve.ListLines(pt, scope)
	}
	return resolve.List(pt, scope)
}

// Describe gives the one function that a probe names, with its parameters and results. A probe that names several
// is a mistake of code script.Several, whose hint has their names.
func (t *Target) Describe(probe string) (event.Function, error) {
	pt, err := script.ParsePoint(probe, script.Uprobe)
	if err != nil {
		return event.Function{}, err
	}
	if pt.Target == "" {
		pt.Target = t.object
	}
	scope := resolve.Scope{PIDs: t.pids, Objects: t.objects}
	if len(t.argv) > 0 {
		scope.Program, scope.Started = t.argv[0], true
	}
	return resolve.Describe(pt, scope)
}
