package tracefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/lease"
	"github.com/sonde-project/sonde/internal/plan"
)

// prepare makes the instance: its clock is that of records, what does not fit into its ring is lost and counted.
func (s *Session) prepare() error {
	name, err := s.root.claim()
	if err != nil {
		return err
	}
	s.name, s.inside = name, s.root.in("instances", name)
	ring := s.plan.Limits.Ring
	if ring <= 0 {
		ring = plan.DefaultLimits().Ring
	}
	for _, setting := range [][2]string{
		{"trace_clock", "mono"}, {"options/overwrite", "0"}, {"options/event-fork", "1"},
		{"buffer_size_kb", strconv.Itoa(ringOf(ring) / 1024)},
	} {
		if err := s.inside.write(setting[0], setting[1]); err != nil {
			return fmt.Errorf("tracefs: %w", err)
		}
	}
	_ = s.inside.write("buffer_percent", "25") // a later addition: without it the reader is woken by every event
	if s.fork, err = parseFormat(s.inside.read("events/task/task_newtask/format")); err != nil {
		return err
	}
	return s.openRings()
}

// ringOf is the size of one CPU's ring when all are to have so many bytes together. On machines with many CPUs they get more: a thread
// fills one.
func ringOf(all int) int {
	const least = 512 << 10
	return max(all/runtime.NumCPU(), min(all, least), 4096)
}

// Arm defines and enables the events: returns first, then entries, so that a call whose entry was seen has its return armed. Sites
// that the kernel refuses are left out and reported; it is an error when nothing could be armed.
func (s *Session) Arm() ([]plan.Refusal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		return nil, nil
	}
	if err := s.follow(); err != nil {
		return nil, err
	}
	s.leases = lease.New(s.letGo)
	s.leases.Lock()
	defer s.leases.Unlock()
	var refusals []plan.Refusal
	armed := 0
	for _, last := range []bool{false, true} {
		for _, e := range s.events {
			if (e.part == entries) != last {
				continue
			}
			s.leases.Take(s.file(e))
			if e.rest != nil && !s.armRest(e.rest) {
				e.pushed, e.rest = pushed{}, nil
			}
			n, refused, err := s.arm(e)
			if err != nil {
				return refusals, err
			}
			armed += n
			refusals = append(refusals, refused...)
		}
	}
	if armed == 0 {
		return refusals, engine.NothingArmed("the kernel refuses every probe", refusals)
	}
	return refusals, nil
}

// follow has the kernel narrow events to the observed processes and what they start, and tell of new threads.
func (s *Session) follow() error {
	if err := s.inside.write("events/task/task_newtask/enable", "1"); err != nil {
		return fmt.Errorf("tracefs: %w", err)
	}
	if s.tasks.everyone {
		s.tasks.look()
		return nil
	}
	given := map[int]bool{}
	for again := true; again; { // threads that began meanwhile
		again = false
		for pid := range s.tasks.observed {
			for _, tid := range s.tasks.threads(pid) {
				if given[tid] {
					continue
				}
				given[tid], again = true, true
				if err := s.inside.add("set_event_pid", strconv.Itoa(tid)+"\n"); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("tracefs: %w", err)
				}
			}
		}
	}
	if len(given) == 0 { // all of them have ended: an empty list would mean everyone
		return s.inside.add("set_event_pid", strconv.Itoa(os.Getpid())+"\n")
	}
	return nil
}

// arm arms the sites of an event together; if the kernel will not have that, each on its own, to find those that it refuses.
func (s *Session) arm(e *event) (int, []plan.Refusal, error) {
	refusals, err := s.define(e)
	if err != nil || len(e.sites) == 0 {
		return 0, refusals, err
	}
	cause := s.enable(e)
	if cause == nil {
		return len(e.sites), refusals, nil
	}
	if err := s.undefine(e); err != nil {
		return 0, refusals, err
	}
	if len(e.sites) == 1 {
		return 0, append(refusals, engine.KernelRefusal(s.plan, e.probe, e.sites[0], cause)), nil
	}
	armed := 0
	for i, site := range e.sites {
		alone := &event{probe: e.probe, body: e.body, part: e.part, sites: []int{site}, want: e.want, pushed: e.pushed, name: fmt.Sprintf("%s_%d", e.name, i)}
		n, refused, err := s.arm(alone)
		if err != nil {
			return armed, refusals, err
		}
		armed += n
		refusals = append(refusals, refused...)
	}
	return armed, refusals, nil
}

// armRest arms an event that tells what a filter rejects. Where the kernel will not have all of that, nothing of it stays, and nothing is to be filtered.
func (s *Session) armRest(e *event) bool {
	refused, err := s.define(e)
	if err == nil && len(refused) == 0 && s.enable(e) == nil {
		return true
	}
	_ = s.undefine(e)
	return false
}

// define defines the event at each of its sites; those that it cannot be defined at are taken off it.
func (s *Session) define(e *event) ([]plan.Refusal, error) {
	var refusals []plan.Refusal
	var good []int
	for _, j := range e.sites {
		site := &s.plan.Probes[e.probe].Sites[j]
		err := s.defineAt(e, site)
		switch {
		case errors.Is(err, os.ErrPermission):
			return nil, notPermitted(err)
		case err != nil:
			refusals = append(refusals, engine.KernelRefusal(s.plan, e.probe, j, err))
			continue
		}
		s.places = append(s.places, place{e, site})
		good = append(good, j)
	}
	e.sites = good
	return refusals, nil
}

func (s *Session) defineAt(e *event, site *plan.Site) error {
	path, done, err := plain(s.plan.Objects[site.Object].Open)
	if err != nil {
		return err
	}
	defer done()
	return s.root.add("uprobe_events", e.line(s.name, path, site, len(s.places))+"\n")
}

// plain gives a name of a file that the kernel's parser takes: words end at white space and comments begin with "#".
func plain(path string) (string, func(), error) {
	if full, err := filepath.Abs(path); err == nil && !strings.ContainsAny(full, " \t\n\r#") {
		return full, func() {}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd()), func() { file.Close() }, nil
}

// enable arms an event and learns what its records look like.
func (s *Session) enable(e *event) error {
	f, err := parseFormat(s.inside.in("events", s.name, e.name).read("format"))
	if err != nil {
		return err
	}
	if err := e.learn(f); err != nil {
		return err
	}
	if e.filter != "" {
		if err := s.inside.write(filepath.Join("events", s.name, e.name, "filter"), e.filter); err != nil {
			return fmt.Errorf("filter %s: %w", e.filter, err)
		}
	}
	s.byID[e.shape.id] = e
	if err := s.inside.write(filepath.Join("events", s.name, e.name, "enable"), "1"); err != nil {
		delete(s.byID, e.shape.id)
		return err
	}
	return nil
}

func (s *Session) undefine(e *event) error {
	return patiently(func() error { return s.root.add("uprobe_events", "-:"+s.name+"/"+e.name+"\n") })
}

// Disarm takes every probe away: nothing is recorded any more when it returns.
func (s *Session) Disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" || s.ended {
		return
	}
	s.ended = true
	if s.leases != nil {
		s.leases.Lock()
		defer s.leases.Unlock()
		defer s.leases.End()
	}
	_ = s.inside.write("tracing_on", "0")
	for _, at := range []string{s.name, "task"} {
		_ = s.inside.write(filepath.Join("events", at, "enable"), "0")
	}
}
