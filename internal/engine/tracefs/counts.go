package tracefs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
)

// seen counts the events that came, to tell what those were that did not.
type seen struct {
	entries, exits uint64 // of calls that are paired
	others         uint64
	nobody         uint64 // of threads that had ended before anybody learned whose they were
}

func (s *seen) of(e *event, paired bool) {
	switch {
	case !paired:
		s.others++
	case e.part == entries:
		s.entries++
	default:
		s.exits++
	}
}

// Counts adds up what was counted here, and what the ring had no room for. After Disarm it is final.
func (s *Session) Counts() (engine.Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := engine.Counts{Of: s.machine.Counts}
	dropped, err := s.drops()
	s.account(&c, dropped)
	if s.ended {
		s.machine.Open(func(call interp.OpenCall) bool {
			switch {
			case dropped > 0: // its end may have been lost
			case alive(call):
				c.Unfinished++
			default:
				c.Exited++
			}
			return true
		})
		c.Exited += s.swept
	}
	return c, err
}

// account says how many hits are lost for the events that are. An event lost is a hit lost, but where calls are paired each had two:
// entries and exits are equal in number, so with E and X of them come and D lost, (D + X - E) / 2 of the lost were entries. Calls of
// which only the entry came are lost too.
func (s *Session) account(c *engine.Counts, dropped uint64) {
	lost, hits := dropped+s.seen.nobody, dropped+s.seen.nobody
	if dropped > 0 && s.seen.others == 0 && s.paired() {
		var open uint64
		s.machine.Open(func(interp.OpenCall) bool { open++; return true })
		hits = uint64(max(int64(lost+s.seen.exits)-int64(s.seen.entries), 0)) / 2
		lost = hits + open
	}
	c.Of[plan.CountHits] += hits
	c.Of[plan.CountLostRing] += lost
}

// paired reports whether all events of the plan belong to calls that are paired.
func (s *Session) paired() bool {
	for _, e := range s.events {
		if s.plan.Probes[e.probe].Bodies[e.body].Frame == nil {
			return false
		}
	}
	return true
}

// drops asks the kernel how many events had no room.
func (s *Session) drops() (uint64, error) {
	if s.name == "" {
		return s.dropped, nil
	}
	s.dropped = 0
	for _, c := range s.cpus {
		stats, err := os.ReadFile(s.inside.path("per_cpu", fmt.Sprintf("cpu%d", c.number), "stats"))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(stats)) {
			name, value, _ := strings.Cut(line, ":")
			if name == "dropped events" || name == "overrun" || name == "commit overrun" {
				n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
				s.dropped += n
			}
		}
	}
	return s.dropped, nil
}

// Unfinished calls fn for every call that has begun and not ended. To be called after Disarm. When events were lost, nobody knows
// whether a call's end was among them: then none is handed on, and they count as lost.
func (s *Session) Unfinished(fn func(engine.OpenCall) error) error {
	s.mu.Lock()
	var open []engine.OpenCall
	dropped, err := s.drops()
	if dropped == 0 {
		s.machine.Open(func(c interp.OpenCall) bool {
			open = append(open, engine.OpenCall{Probe: c.Probe, Record: c.Record, Gone: !alive(c)})
			return true
		})
	}
	s.mu.Unlock()
	for _, c := range open {
		if err == nil {
			err = fn(c)
		}
	}
	return err
}

// Sweep forgets the calls whose thread or process has ended and hands them to fn.
func (s *Session) Sweep(fn func(engine.OpenCall)) error {
	s.mu.Lock()
	var gone []engine.OpenCall
	s.machine.Open(func(c interp.OpenCall) bool {
		if alive(c) {
			return true
		}
		s.swept++
		gone = append(gone, engine.OpenCall{Probe: c.Probe, Record: c.Record, Gone: true})
		return false
	})
	s.mu.Unlock()
	for _, c := range gone {
		fn(c)
	}
	return nil
}

// alive reports whether the thread, or the process of the goroutine, is there.
func alive(c interp.OpenCall) bool {
	path := fmt.Sprintf("/proc/%d", c.PID)
	if c.TID != 0 {
		path = fmt.Sprintf("%s/task/%d", path, c.TID)
	}
	_, err := os.Stat(path)
	return !os.IsNotExist(err)
}
