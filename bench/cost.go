package main

import (
	"fmt"
	"strconv"
	"time"
)

// cost is what a call takes longer when it is observed.
func cost(k kind, function string) func(*bed) ([]float64, error) { return costOn(k, function, 1) }

// costOn is the same where so many threads call at once.
func costOn(k kind, function string, threads int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		calls := b.calls(k)
		j := job{kind: k, program: b.victims.loop, function: function}
		if b.tool.starts {
			each, err := b.started(j, calls, threads)
			return []float64{each}, err
		}
		victim, t, err := b.armed(&j, calls, threads)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		defer victim.kill()
		if err := victim.ended(2 * time.Minute); err != nil {
			return nil, err
		}
		each, err := victim.figure("ns")
		if err != nil {
			return nil, err
		}
		t.stop(patience)
		return []float64{each}, nil
	}
}

// calls is how many are made for a cost: as many as take a fraction of a second, and records no more than fit into any tool's buffer.
func (b *bed) calls(k kind) int {
	switch {
	case b.tool.name == "ltrace":
		return 5000
	case k == recording:
		return 10000
	case b.tool.name == "sonde, inside":
		return 5000000
	}
	return 200000
}

// started is what a call takes in a program that the tool starts.
func (b *bed) started(j job, calls, threads int) (float64, error) {
	j.command = []string{j.program, "run", j.function, strconv.Itoa(calls), strconv.Itoa(threads)}
	t, err := b.launch(j)
	if err != nil {
		return 0, err
	}
	defer b.tidy(j)
	if err := t.ended(2 * time.Minute); err != nil {
		return 0, err
	}
	each, err := t.figure("ns")
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, t.reason())
	}
	return each, nil
}
