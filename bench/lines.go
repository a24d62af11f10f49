package main

import (
	"fmt"
	"time"
)

// lines lets threads call a function with a string as fast as they can.
func lines(k kind, function string, threads int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		if b.tool.starts {
			return nil, errStarts
		}
		calls := 400000 / threads
		if b.tool.name == "ltrace" {
			calls = 8000 / threads
		}
		j := job{kind: k, program: b.victims.loop, function: function}
		victim, t, err := b.armed(&j, calls, threads)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		defer victim.kill()
		if err := victim.says("calling", patience); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := victim.ended(3 * time.Minute); err != nil {
			return nil, err
		}
		called := time.Since(began)
		t.quiet(time.Second, patience)
		if err := t.stop(2 * time.Minute); err != nil {
			return nil, err
		}
		seen, lost, took := t.marked, t.lost(), t.last.Sub(began)
		if b.tool.counted != nil {
			j.scratch = b.scratch
			if seen, lost, err = b.tool.counted(j); err != nil {
				return nil, err
			}
			took = called
		}
		if seen == 0 {
			return nil, fmt.Errorf("traced nothing: %s", t.reason())
		}
		total := float64(calls * threads)
		silent := max(calls*threads-lost-seen, 0)
		return []float64{float64(seen) / took.Seconds(), 100 * float64(lost) / total, 100 * float64(silent) / total, t.peak()}, nil
	}
}
