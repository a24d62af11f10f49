package sonde

import (
	"strings"

	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Complete gives what a probe that begins with the text can go on as: targets, each with its colon, or functions once a target
// stands there. With processes, their objects are offered.
func Complete(text string, pids []int) []string {
	colon := strings.LastIndex(text, ":")
	if colon < 0 {
		return target.Names(text, pids)
	}
	pt, err := script.ParsePoint(text+"*", script.Uprobe)
	if err != nil || pt.Regexp {
		return nil
	}
	t := &Target{pids: pids, objects: resolve.NewObjects()}
	defer t.Close()
	names, err := resolve.FunctionNames(pt, resolve.Scope{PIDs: pids, Objects: t.objects})
	if err != nil {
		return nil
	}
	for i, n := range names {
		names[i] = text[:colon+1] + n
	}
	return names
}
