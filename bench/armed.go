package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

const patience = 30 * time.Second

var errStarts = errors.New("does not attach to a program that runs")

// armed starts a victim that waits for its probe, and the tool, and returns when the calls begin.
func (b *bed) armed(j *job, calls, threads int) (victim, t *process, err error) {
	victim, err = start([]string{j.program, "armed", j.function, strconv.Itoa(calls), strconv.Itoa(threads)}, nil, "")
	if err != nil {
		return nil, nil, err
	}
	if err := victim.says("ready", patience); err != nil {
		victim.kill()
		return nil, nil, err
	}
	j.pid = victim.cmd.Process.Pid
	if t, err = b.launch(*j); err != nil {
		victim.kill()
		return nil, nil, err
	}
	if err = awaited(victim, t, "armed", patience); err != nil {
		victim.kill()
		t.kill()
		b.tidy(*j)
		return nil, nil, err
	}
	return victim, t, nil
}

// awaited waits until the victim says a line; a tool that ends before gives the reason.
func awaited(victim, t *process, line string, limit time.Duration) error {
	said := make(chan error, 1)
	go func() { said <- victim.says(line, limit) }()
	select {
	case err := <-said:
		if err != nil {
			return fmt.Errorf("%w; it said: %s", err, t.reason())
		}
		return nil
	case <-t.done:
		select {
		case err := <-said:
			return err
		case <-time.After(100 * time.Millisecond):
			return errors.New(t.reason())
		}
	}
}
