package sonde

import (
	"errors"

	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// useTracefs reports whether a run goes through tracefs: when that is asked for, or when eBPF is not permitted and tracefs is.
func useTracefs(asked Engine) bool {
	if asked == EngineTracefs {
		return true
	}
	if asked != EngineAuto && asked != "" {
		return false
	}
	err := kernel.Permitted()
	return errors.Is(err, script.NotPermitted) && tracefs.Available() == nil
}

// openTracefs makes a run on tracefs, or says why it cannot be.
func openTracefs(p *plan.Plan) (running, error) {
	if err := tracefs.Check(p); err != nil {
		return nil, &script.Diagnostic{Code: "engine-cannot", Message: "the tracefs engine cannot run this: " + err.Error(),
			Hints: []string{"eBPF can: sonde doctor says what it lacks here"}}
	}
	s, err := tracefs.Open(p)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func tracefsMeans(p *plan.Plan, asked Engine) plan.Means {
	m := plan.Means{Engine: string(EngineTracefs), Link: "uprobe events", Why: "eBPF is not permitted here"}
	if asked == EngineTracefs {
		m.Why = "asked for"
	}
	err := tracefs.Available()
	if err == nil {
		err = tracefs.Check(p)
	}
	if err != nil {
		m.Link, m.Why = "", "not usable here: "+err.Error()
	}
	return m
}
