package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Calls at a rate, which goes up until some are lost: of records that a program reads through package sonde and prints nothing, and of lines.

func readMetrics() []metric {
	what := "records of three numbers and a short text, read by a program"
	return []metric{{name: what + ", none lost", unit: "/s", higher: true}, {name: "  read when calls come as fast as they can", unit: "/s", higher: true, of: what},
		{name: "  lost then", unit: "%", plain: true, of: what}}
}

func pacedMetrics() []metric {
	return []metric{{name: "printf of three numbers and a short text, none lost", unit: "/s", higher: true}}
}

// read tries what a program reads.
func (b *bed) read() ([]float64, error) {
	if b.tool.engine == "" || b.tool.engine == "hybrid" {
		return nil, errNotOffered
	}
	best, err := highest(b.pacedReading)
	if err != nil {
		return nil, err
	}
	const all = 10e6
	most, err := b.pacedReading(all, 0)
	return []float64{best, most.seen, 100 * most.lost / all}, err
}

// printed tries what a tool prints.
func (b *bed) printed() ([]float64, error) {
	if b.tool.starts || b.tool.counted != nil || b.tool.name == "ltrace" {
		return nil, errNotOffered
	}
	best, err := highest(b.pacedLines)
	return []float64{best}, err
}

// pace is what came of calls at a rate: how many were made a second, how many of them were seen a second, and how many were lost in all.
type pace struct{ made, seen, lost float64 }

// highest tries one rate after the other for a second each, and gives the last at which nothing was lost. One that lost something is tried once more:
// something else may have had the CPU.
func highest(try func(calls, rate int) (pace, error)) (best float64, err error) {
	for _, rate := range []int{50e3, 100e3, 150e3, 200e3, 300e3, 400e3, 500e3, 600e3, 700e3, 800e3, 900e3, 1e6, 1500e3, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6, 8e6} {
		p, err := try(rate, rate)
		if err == nil && p.lost > 0 {
			p, err = try(rate, rate)
		}
		if err != nil {
			return 0, err
		}
		if p.lost > 0 {
			break
		}
		best = max(best, p.made)
		if p.made < 0.9*float64(rate) {
			break // calls come no faster
		}
	}
	if best == 0 {
		return 0, errors.New("loses some at 50,000 a second")
	}
	return best, nil
}

// pacedVictim waits for its probe, and then calls at a rate; 0: as fast as it can.
func (b *bed) pacedVictim(calls, rate int) (*process, error) {
	victim, err := start([]string{b.victims.loop, "armed", "note", strconv.Itoa(calls), "1", strconv.Itoa(rate)}, nil, "")
	if err != nil {
		return nil, err
	}
	if err := victim.says("ready", patience); err != nil {
		victim.kill()
		return nil, err
	}
	return victim, nil
}

// called waits until the calls are made, and gives how many came a second.
func called(victim, tool *process) (float64, error) {
	if err := awaited(victim, tool, "calling", patience); err != nil {
		return 0, err
	}
	if err := victim.ended(2 * time.Minute); err != nil {
		return 0, err
	}
	each, err := victim.figure("mean")
	return 1e9 / each, err
}

func (b *bed) pacedReading(calls, rate int) (pace, error) {
	victim, err := b.pacedVictim(calls, rate)
	if err != nil {
		return pace{}, err
	}
	defer victim.kill()
	script := "uprobe:" + b.victims.loop + `:note { printf("note(%d, %d, %d, %s)\n", arg0, arg1, arg2, str(arg3)); }`
	reader, err := start([]string{b.victims.reader, b.tool.engine, strconv.Itoa(victim.cmd.Process.Pid), script}, nil, "")
	if err != nil {
		return pace{}, err
	}
	defer reader.kill()
	made, err := called(victim, reader)
	if err != nil {
		return pace{}, err
	}
	if err := reader.ended(patience); err != nil { // what it observes has gone
		return pace{}, err
	}
	figures := map[string]float64{}
	for _, name := range []string{"read", "lost", "seconds"} {
		if figures[name], err = reader.figure(name); err != nil {
			return pace{}, fmt.Errorf("%w: %s", err, reader.reason())
		}
	}
	if all := figures["read"] + figures["lost"]; all != float64(calls) {
		return pace{}, fmt.Errorf("%.0f of %d calls are accounted for", all, calls)
	}
	return pace{made, figures["read"] / figures["seconds"], figures["lost"]}, nil
}

func (b *bed) pacedLines(calls, rate int) (pace, error) {
	victim, err := b.pacedVictim(calls, rate)
	if err != nil {
		return pace{}, err
	}
	defer victim.kill()
	j := job{kind: recording, program: b.victims.loop, function: "note", pid: victim.cmd.Process.Pid}
	t, err := b.launch(j)
	if err != nil {
		return pace{}, err
	}
	defer b.tidy(j)
	defer t.kill()
	made, err := called(victim, t)
	if err != nil {
		return pace{}, err
	}
	t.quiet(200*time.Millisecond, patience)
	if err := t.stop(2 * time.Minute); err != nil {
		return pace{}, err
	}
	return pace{made: made, lost: float64(calls - t.marked)}, nil
}
