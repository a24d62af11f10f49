package sonde

import (
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Complete gives what a probe that begins with the text can go on as: targets, each with its colon, or functions once a target
// stands there. With processes, their objects are offered, and the functions of their programs.
func Complete(text string, pids []int) []string {
	pt, err := script.ParsePoint(text+"*", script.Uprobe)
	if err != nil || pt.Regexp || pt.Kind == script.USDT {
		return nil
	}
	before := text[:min(pt.FunctionSpan.From, len(text))]
	var offers []string
	if before == "" {
		for _, name := range target.Names(text, pids) {
			offers = append(offers, name+":")
		}
		if len(pids) == 0 || text == "" {
			return offers
		}
	}
	t := &Target{pids: pids, objects: resolve.NewObjects()}
	defer t.Close()
	names, err := resolve.FunctionNames(pt, resolve.Scope{PIDs: pids, Objects: t.objects})
	if err != nil {
		return offers
	}
	for _, name := range names {
		offers = append(offers, before+name)
	}
	return offers
}
