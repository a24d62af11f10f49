package main

import (
	"fmt"
	"strconv"
	"time"
)

// What a program reads that takes the records through package sonde and prints nothing: the victim calls note ever faster, until some are lost.

func readMetrics() []metric {
	what := "records of three numbers and a short text, read by a program"
	return []metric{{name: what + ", none lost", unit: "/s", higher: true}, {name: "  read when calls come as fast as they can", unit: "/s", higher: true, of: what},
		{name: "  lost then", unit: "%", plain: true, of: what}}
}

// read tries one rate after the other for a second each. One that lost something is tried once more: something else may have had the CPU.
func (b *bed) read() ([]float64, error) {
	if b.tool.engine == "" || b.tool.engine == "hybrid" {
		return nil, errNotOffered
	}
	best := 0.0
	for _, rate := range []int{100e3, 200e3, 300e3, 500e3, 700e3, 1e6, 1500e3, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6, 8e6} {
		p, err := b.paced(rate, rate)
		if err == nil && p.lost > 0 {
			p, err = b.paced(rate, rate)
		}
		if err != nil {
			return nil, err
		}
		if p.lost > 0 {
			break
		}
		best = max(best, p.made)
		if p.made < 0.9*float64(rate) {
			break // calls come no faster
		}
	}
	most, err := b.paced(10e6, 0)
	return []float64{best, most.read, 100 * most.lost / 10e6}, err
}

// pace is what came of calls at a rate: how many were made and read a second, and how many were lost.
type pace struct{ made, read, lost float64 }

// paced lets the victim make calls, no more than so many a second; 0: as fast as it can.
func (b *bed) paced(calls, rate int) (pace, error) {
	victim, err := start([]string{b.victims.loop, "armed", "note", strconv.Itoa(calls), "1", strconv.Itoa(rate)}, nil, "")
	if err != nil {
		return pace{}, err
	}
	defer victim.kill()
	if err := victim.says("ready", patience); err != nil {
		return pace{}, err
	}
	script := "uprobe:" + b.victims.loop + `:note { printf("note(%d, %d, %d, %s)\n", arg0, arg1, arg2, str(arg3)); }`
	reader, err := start([]string{b.victims.reader, b.tool.engine, strconv.Itoa(victim.cmd.Process.Pid), script}, nil, "")
	if err != nil {
		return pace{}, err
	}
	defer reader.kill()
	if err := awaited(victim, reader, "calling", patience); err != nil {
		return pace{}, err
	}
	if err := victim.ended(2 * time.Minute); err != nil {
		return pace{}, err
	}
	each, err := victim.figure("ns")
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
	return pace{made: 1e9 / each, read: figures["read"] / figures["seconds"], lost: figures["lost"]}, nil
}
