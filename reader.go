package sonde

import (
	"errors"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// reader is one pass over a session's records.
type reader struct {
	s         *Session
	yield     func(event.Event) bool
	left      bool // the consumer left the loop
	done      bool // the script or a limit ended the run
	exited    bool // the script ended it: what was hit before everything was disarmed is beyond its end
	next      []time.Time
	swept     time.Time // when the dead were last looked for
	accounted time.Time
	rest      time.Duration // how long a read may wait
	came      bool          // something was read meanwhile
}

// A read waits long where nothing comes, and the session is at rest with it; what comes ends its wait, so that it is handed on, and written by who
// buffers it, soon.
const (
	shortRest = 20 * time.Millisecond
	longRest  = time.Second
)

// loop reads until something ends the run.
func (r *reader) loop() error {
	s := r.s
	r.next, r.swept, r.rest = make([]time.Time, len(s.plan.Probes)), s.begun, shortRest
	for i, p := range s.plan.Probes {
		r.next[i] = s.begun.Add(p.Interval)
	}
	for !r.done && s.ctx.Err() == nil {
		s.symbols.Update()
		if err := s.readParts(r.deadline(), r.record); err != nil {
			return err
		}
		r.pace()
		if err := r.retired(); err != nil {
			return err
		}
		if err := r.tick(); err != nil {
			return err
		}
		if idle := s.run.idle; idle != nil && !r.left {
			if err := idle(); err != nil {
				return err
			}
		}
		if err := r.sweep(); err != nil {
			return err
		}
		r.account()
		if s.ends() {
			return nil
		}
	}
	return nil
}

// accountEvery is how often what was counted is added up for who asks while the run goes on.
const accountEvery = time.Second

func (r *reader) account() {
	if !r.s.asked.isUp() || time.Since(r.accounted) < accountEvery {
		return
	}
	r.accounted = time.Now()
	_ = r.s.account() // what cannot be read now is read at the end, or said then
}

// sweepEvery is how often calls are forgotten whose threads have died inside them: what is remembered is bounded.
const sweepEvery = 5 * time.Second

func (r *reader) sweep() error {
	if time.Since(r.swept) < sweepEvery {
		return nil
	}
	r.swept = time.Now()
	for _, p := range r.s.parts() {
		err := p.engine.Sweep(func(c engine.OpenCall) {
			if c.Record != nil {
				r.record(p, c.Record)
			}
		})
		if err != nil {
			return err
		}
		if err := r.forget(p); err != nil {
			return err
		}
	}
	return nil
}

// forget sweeps the maps in which the script of SQL statements keeps what processes have begun. In other scripts they are results.
func (r *reader) forget(p *part) error {
	f, ok := p.engine.(interface{ Forget(m int) error })
	if !ok || r.s.run.newcomers == nil {
		return nil
	}
	for i, m := range p.plan.Maps {
		if m.Kind != event.AggValue || len(m.Part) == 0 || m.Part[0] != "pid" {
			continue
		}
		if err := f.Forget(i); err != nil {
			return err
		}
	}
	return nil
}

// pace chooses for how long the next read may wait.
func (r *reader) pace() {
	if r.came || r.s.busy() {
		r.rest = shortRest
	} else {
		r.rest = min(2*r.rest, longRest)
	}
	r.came = false
}

// busy says that somebody must be looked after who wakes nobody: parts beside the first, and the list of what is mapped.
func (s *Session) busy() bool { return s.mapped != nil || len(s.parts()) > 1 }

// come ends a long wait: there is something to hand on.
func (r *reader) come() {
	if !r.came && r.rest > shortRest || r.done {
		r.s.engine.Wake()
	}
	r.came = true
}

// deadline is when the next thing other than a record is due.
func (r *reader) deadline() time.Time {
	d := time.Now().Add(r.rest)
	if end := r.s.armed.Add(r.s.run.duration); r.s.run.duration > 0 && end.Before(d) {
		d = end
	}
	for i, p := range r.s.plan.Probes {
		if p.Kind == plan.Interval && r.next[i].Before(d) {
			d = r.next[i]
		}
	}
	return d
}

// tick runs the interval probes that are due. One that is late by several periods runs once.
func (r *reader) tick() error {
	now := time.Now()
	for i, p := range r.s.plan.Probes {
		if p.Kind != plan.Interval || now.Before(r.next[i]) {
			continue
		}
		if err := r.s.engine.Run(i); err != nil {
			return err
		}
		for !now.Before(r.next[i]) {
			r.next[i] = r.next[i].Add(p.Interval)
		}
	}
	return nil
}

// drain reads what is in the ring and waits for nothing.
func (r *reader) drain() error {
	if r.left {
		return nil
	}
	return r.s.readParts(time.Now(), r.record)
}

// record decodes one record and hands it on. After the end of the run the rest is still delivered, unless it is beyond
// a limit, or the script's exit().
func (r *reader) record(p *part, b []byte) {
	if r.left || r.full() || r.exited {
		return
	}
	ev, err := p.decoder.Record(b)
	if err == nil {
		err = r.event(ev)
	}
	r.s.fail(err)
	r.come()
}

func (r *reader) event(ev event.Event) error {
	switch e := ev.(type) {
	case *event.Exit:
		r.s.tell(func(to *result) { to.asked = e.Code })
		r.done, r.exited = true, true
	case *event.MapPrint:
		return r.printMap(e)
	case *event.MapClear:
		return r.clearMap(e)
	default:
		r.give(ev)
		r.s.count++
		r.done = r.done || r.full()
	}
	return nil
}

// unfinished hands on the calls that had not ended: their arguments are known, their end is not.
func (r *reader) unfinished() error {
	for _, p := range r.s.parts() {
		if err := r.unfinishedOf(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) unfinishedOf(p *part) error {
	return p.engine.Unfinished(func(c engine.OpenCall) error {
		if !c.Gone {
			r.s.open++
		}
		if c.Record != nil {
			r.record(p, c.Record)
		}
		return nil
	})
}

// retired lets go of parts that were disarmed, once everything of theirs is read.
func (r *reader) retired() error {
	for _, p := range r.s.parts() {
		if !p.over.Load() {
			continue
		}
		if err := p.engine.Read(time.Now(), func(b []byte) { r.record(p, b) }); err != nil {
			return err
		}
		if err := errors.Join(r.unfinishedOf(p), r.s.leave(p)); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether the limit of events is reached.
func (r *reader) full() bool { return r.s.run.maxEvents > 0 && r.s.count >= r.s.run.maxEvents }

func (r *reader) give(ev event.Event) {
	if !r.left && !r.yield(ev) {
		r.left, r.done = true, true
	}
}

func (r *reader) printMap(e *event.MapPrint) error {
	m, err := r.s.readMap(r.s.mapIndex(e.Map.Name))
	if err != nil {
		return err
	}
	e.Map = m
	r.give(e)
	return nil
}

func (r *reader) clearMap(e *event.MapClear) error {
	r.give(e)
	return r.s.engine.Clear(r.s.mapIndex(e.Name), e.Zero)
}

// printMaps hands on every map at the end, as bpftrace prints them.
func (r *reader) printMaps(maps []event.Map) {
	for _, m := range maps {
		r.give(&event.MapPrint{Map: m, Final: true})
	}
}

func (s *Session) mapIndex(name string) int {
	for i, m := range s.plan.Maps {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// ends reports whether the run has ended by itself: the time is up, or what was observed is gone.
func (s *Session) ends() bool {
	if s.run.duration > 0 && time.Since(s.armed) >= s.run.duration {
		return true
	}
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}
