package sonde

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// List gives the functions that a probe point names, with signature, source line and cost class, in order of address: all
// of a target for TARGET alone, or of all objects of the target's processes for "".
func (t *Target) List(point string) ([]event.Function, error) {
	if point != "" && !strings.Contains(point, ":") {
		point += ":*"
	}
	if point == "" {
		point = "*:*"
	}
	pt, err := script.ParsePoint(point, script.Uprobe)
	if err != nil {
		return nil, err
	}
	scope := resolve.Scope{PIDs: t.pids, Objects: t.objects}
	if len(t.argv) > 0 {
		scope.Program, scope.Started = t.argv[0], true
	}
	return resolve.List(pt, scope)
}
