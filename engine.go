package sonde

import (
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/plan"
)

// running is a plan that an engine runs, by what the session asks of it.
type running interface {
	arming
	reading
	keeping
}

// arming is the life of the probes.
type arming interface {
	Arm() ([]plan.Refusal, error)
	Disarm()
	Close() error
}

// reading is what programs send, and the programs that run by themselves.
type reading interface {
	Run(probe int) error
	Read(deadline time.Time, fn func(record []byte)) error
	remembering
}

// remembering is about calls that have begun and not ended.
type remembering interface {
	Unfinished(fn func(engine.OpenCall) error) error
	Sweep(fn func(engine.OpenCall)) error
}

// keeping is what programs keep.
type keeping interface {
	Cells(m int, fn func(key []byte, values [][]byte) error) error
	Clear(m int, zero bool) error
	tally
}

// tally is what engines know beside maps.
type tally interface {
	Stack(id uint64) []uint64
	Counts() (engine.Counts, error)
}

// decoding turns what an engine hands out into events.
type decoding interface {
	Record(record []byte) (event.Event, error)
	Map(m int, cells plan.Cells, stack func(id uint64) []uint64) (event.Map, error)
}

// openEngine compiles the plan for the engine that is to run it and loads it.
func openEngine(p *plan.Plan, asked Engine) (running, error) {
	if useTracefs(asked) {
		return openTracefs(p)
	}
	tracefs.Sweep()
	features, err := kernel.Features(kernel.NeedsOf(p))
	if err != nil {
		return nil, err
	}
	code, err := codegen.Compile(p, features)
	if err != nil {
		return nil, err
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// means says how the plan would be run, for Explain.
func means(p *plan.Plan, asked Engine) plan.Means {
	if useTracefs(asked) {
		return tracefsMeans(p, asked)
	}
	m := plan.Means{Engine: string(EngineKernel), Link: "uprobe_multi"}
	if asked == EngineKernel {
		m.Why = "asked for"
	}
	features, err := kernel.Features(kernel.NeedsOf(p))
	switch {
	case err != nil:
		m.Link, m.Why = "", "not usable here: "+err.Error()
	case !features.Multi:
		m.Link = "one perf event a site, as this kernel lacks uprobe_multi"
	}
	return m
}
