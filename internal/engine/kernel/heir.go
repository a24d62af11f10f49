package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
)

// The kernel narrows probes to a process by its first thread: code that is mapped is probed if it is that one's (uprobe_multi_link_filter of
// kernel/trace/bpf_trace.c). When another thread executes a program the first one ends, and what is executed has no probes. So we are told of its end, and arm
// anew. Where it just ends, and others go on, links of uprobe_multi do so too, and single events, which compare with the memory that it had
// (uprobe_perf_filter of kernel/trace/trace_uprobe.c), are armed for one of the others. To that one we listen then.

// heir looks after sites that are armed for one process.
type heir struct {
	hold    *hold
	plan    *plan.Plan
	sets    []armSet
	process *target.Process
	told    *target.ExecWatch
	over    atomic.Bool
	done    chan struct{}

	lock   sync.Mutex
	ended  bool // told is closed
	asked  time.Time
	seen   time.Time // when the first thread was there
	notes  []string
	missed time.Duration
}

const (
	// heirLooks is how often it is looked whether the first thread is there, at most, by who is awake anyway.
	heirLooks = 100 * time.Millisecond
	// heirNotes bounds the notes.
	heirNotes = 20
)

// newHeir listens for sites that are about to be armed, and run looks after them. nil: they are everybody's.
func newHeir(h *hold, p *plan.Plan, sets []armSet) *heir {
	pid := sets[0].pid
	if pid == 0 {
		return nil
	}
	e := &heir{hold: h, plan: p, sets: sets, done: make(chan struct{})}
	if err := e.watch(pid); err != nil {
		e.ended = true
		e.notes = []string{fmt.Sprintf("should another thread than the first of process %d execute a program, that is not observed: %v", pid, err)}
	}
	return e
}

// start begins to look after sites that were armed just now.
func (e *heir) start() {
	switch {
	case e == nil:
	case e.ended:
		close(e.done)
	default:
		e.seen = time.Now()
		go e.run()
	}
}

func (e *heir) watch(pid int) (err error) {
	if e.process, err = target.Open(pid); err != nil {
		return err
	}
	if e.told, err = target.NewExecWatch(); err != nil {
		return err
	}
	if err = e.told.Add(pid); err != nil {
		e.told.Close()
	}
	return err
}

func (e *heir) run() {
	defer close(e.done)
	first := e.process.PID
	for tid := first; ; {
		e.told.Wait(time.Hour)
		executed, ended := e.told.Told(tid)
		switch {
		case e.over.Load():
			return
		case !ended && (tid == first || executed.IsZero()):
			e.sees()
			continue
		}
		e.told.Drop(tid)
		if tid = e.next(); tid == 0 {
			return
		}
		switch single := func(s armSet) bool { return !s.multi }; {
		case tid == first:
			e.again(executed)
		case slices.ContainsFunc(e.sets, single):
			e.inherit(tid)
		}
	}
}

// sees notes that the probes are hit yet.
func (e *heir) sees() {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.seen = time.Now()
}

// next listens to the first thread of the process, or where that has ended to another one, and gives which; 0: the process has ended.
func (e *heir) next() int {
	for gone := 0; !e.over.Load(); time.Sleep(time.Millisecond) {
		switch {
		case e.told.Add(e.process.PID) == nil: // it refuses threads that end
			return e.process.PID
		case e.process.Leaderless():
			gone = 0
			for _, tid := range e.process.Threads() {
				if tid == e.process.PID || e.told.Add(tid) != nil {
					continue
				}
				if slices.Contains(e.process.Threads(), tid) {
					return tid
				}
				e.told.Drop(tid) // it executed a program before we listened, and is the first now
			}
		case e.process.Alive():
			gone = 0
		default:
			if gone++; gone > 2 { // a look may fall between two of them
				return 0
			}
		}
	}
	return 0
}

// again arms the sites anew, for a first thread that was another one before. When it executed a program is known, or zero.
func (e *heir) again(executed time.Time) {
	pid := e.process.PID
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	exe = strings.TrimSuffix(exe, " (deleted)")
	refused, err := e.hold.renew(e.plan, e.sets)
	e.tell(fmt.Sprintf("process %d executed %s by another thread than its first", pid, exe), executed, refused, err)
}

// inherit arms the sites anew for a thread, as the one that they were armed for has ended.
func (e *heir) inherit(tid int) {
	refused, err := e.hold.inherit(e.plan, e.sets, tid)
	if executed, ended := e.told.Told(tid); err != nil && (ended || !executed.IsZero()) {
		e.told.Rouse() // it has ended too, or is the first now: then it is looked after as that
		return
	}
	e.tell(fmt.Sprintf("a thread of process %d ended which this kernel's probes hang on", e.process.PID), time.Time{}, refused, err)
}

// tell notes what was not observed, since when at the earliest.
func (e *heir) tell(why string, since time.Time, refused []plan.Refusal, err error) {
	e.lock.Lock()
	defer e.lock.Unlock()
	if since.After(e.seen) {
		e.seen = since
	}
	gap := time.Since(e.seen)
	e.seen = e.seen.Add(gap)
	e.missed += gap
	note := fmt.Sprintf("%s: the kernel's probes saw nothing for up to %v", why, gap.Round(100*time.Microsecond))
	if err != nil {
		note = fmt.Sprintf("%s: the kernel's probes see nothing from then on: %v", why, err)
	} else if len(refused) > 0 {
		note += fmt.Sprintf(", and %d places could not be probed again: %s: %s", len(refused), refused[0].Function, refused[0].Why)
	}
	if len(e.notes) < heirNotes {
		e.notes = append(e.notes, note)
	}
}

// renew arms sets of sites that are armed for a thread which is not there any more. Those go first: they would be hit too once the new ones are there.
func (h *hold) renew(p *plan.Plan, sets []armSet) ([]plan.Refusal, error) {
	h.leases.Lock()
	defer h.leases.Unlock()
	h.release()
	h.finish()
	return h.put(p, h.whole(sets))
}

// inherit arms sets of sites for a thread, as the one that they were armed for has ended. The kernel takes long to close events: they are hit no more, and stay
// until the end.
func (h *hold) inherit(p *plan.Plan, sets []armSet, tid int) ([]plan.Refusal, error) {
	h.leases.Lock()
	defer h.leases.Unlock()
	h.release()
	sets = h.whole(sets)
	for i := range sets {
		sets[i].pid = tid
	}
	return h.put(p, sets)
}

// whole are the sets whose files nobody has written to.
func (h *hold) whole(sets []armSet) []armSet {
	return slices.DeleteFunc(slices.Clone(sets), func(s armSet) bool { return h.leases.Broken(s.path) })
}

// glance has it looked whether the first thread is there, by and by.
func (e *heir) glance() {
	if e == nil {
		return
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if now := time.Now(); !e.ended && now.Sub(e.asked) >= heirLooks {
		e.asked = now
		e.told.Rouse()
	}
}

// end ends that. Nobody holds the leases.
func (e *heir) end() {
	if e == nil {
		return
	}
	e.over.Store(true)
	e.lock.Lock()
	ended := e.ended
	e.ended = true
	if !ended {
		e.told.Rouse()
	}
	e.lock.Unlock()
	<-e.done
	if !ended {
		e.told.Close()
	}
}

// list says what was not observed, and unobserved for how long.
func (e *heir) list() []string {
	if e == nil {
		return nil
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Clone(e.notes)
}

func (e *heir) unobserved() time.Duration {
	if e == nil {
		return 0
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	return e.missed
}
