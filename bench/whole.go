package main

import (
	"fmt"
	"strings"
	"time"
)

// firstEvent is the time from the tool's start to the first call that it printed.
func (b *bed) firstEvent() ([]float64, error) {
	if b.tool.starts {
		return nil, errStarts
	}
	victim, err := start([]string{b.victims.loop, "tick", "f_push"}, nil, "")
	if err != nil {
		return nil, err
	}
	defer victim.kill()
	time.Sleep(50 * time.Millisecond)
	j := job{kind: firing, program: b.victims.loop, function: "f_push", pid: victim.cmd.Process.Pid}
	began := time.Now()
	t, err := b.launch(j)
	if err != nil {
		return nil, err
	}
	defer b.tidy(j)
	defer t.kill()
	if err := t.until(patience, "event", func() bool { return t.marked > 0 }); err != nil {
		return nil, err
	}
	first := milliseconds(t.first.Sub(began))
	t.stop(patience)
	return []float64{first}, nil
}

// wholeRun counts the calls of a command that makes 1000 of them.
func (b *bed) wholeRun() ([]float64, error) {
	j := job{kind: counting, program: b.victims.loop, function: "f_push", command: []string{b.victims.loop, "run", "f_push", "1000"}}
	began := time.Now()
	t, err := b.launch(j)
	if err != nil {
		return nil, err
	}
	if err := t.ended(patience); err != nil {
		b.tidy(j)
		return nil, err
	}
	b.tidy(j)
	took := milliseconds(time.Since(began))
	if !strings.Contains(strings.Join(t.tail, "\n"), "1000") {
		return nil, fmt.Errorf("did not count 1000 calls: %s", t.reason())
	}
	return []float64{took, t.peak()}, nil
}
