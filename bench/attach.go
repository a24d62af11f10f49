package main

import (
	"fmt"
	"time"
)

// attach measures how long it takes to count n functions, and to stop.
func attach(k kind, n int) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		switch {
		case b.slow[k] != nil:
			return nil, b.slow[k]
		case b.tool.starts:
			return nil, errStarts
		}
		program := b.victims.many[n]
		victim, err := start([]string{program}, nil, "")
		if err != nil {
			return nil, err
		}
		defer victim.kill()
		if err := victim.says("ready", patience); err != nil {
			return nil, err
		}
		j := job{kind: k, program: program, function: "fn_*", pid: victim.cmd.Process.Pid}
		began := time.Now()
		t, err := b.launch(j)
		if err != nil {
			return nil, err
		}
		defer b.tidy(j)
		defer t.kill()
		if err := awaited(victim, t, "armed", 2*time.Minute); err != nil {
			return nil, err
		}
		up := milliseconds(time.Since(began))
		pause, err := victim.figure("pause")
		if err != nil {
			return nil, err
		}
		began = time.Now()
		if err := t.stop(5 * time.Minute); err != nil {
			b.slow[k] = fmt.Errorf("%d functions already took minutes to leave", n)
			return nil, fmt.Errorf("armed in %.0f ms; %w", up, err)
		}
		down := milliseconds(time.Since(began))
		if down > 20000 {
			b.slow[k] = fmt.Errorf("%d functions already took %.0f s to leave", n, down/1000)
		}
		if err := victim.says("restored", patience); err != nil && b.tool.after == nil {
			return nil, fmt.Errorf("left probes behind: %w", err)
		}
		return []float64{up, down, t.peak(), pause}, nil
	}
}
