package user

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
)

// A process that is named with -p and executes a program has neither jumps nor region any more. Nobody stands between it and that program's first
// instruction, as that would take a tracer all the time; so a lookout is told by the kernel, or looks now and then, and puts the probes in anew. What ran
// meanwhile is told.

// lookout looks after the processes of a run.
type lookout struct {
	all  []*watched
	told *target.ExecWatch
	over atomic.Bool
	done chan struct{}
}

// watched is a process that may execute programs.
type watched struct {
	*Session
	target.Process
	tid     int    // the thread through which it is looked at: the first may have ended before others
	image   *image // what it runs; nil: nothing of that is observed
	program inject.Program
	told    *target.ExecWatch
	seen    time.Time // when it last ran what it ran before
	begun   time.Time // when it was first seen to run something else; zero: it has its probes
	young   time.Time // until then it may map libraries without saying so
	barred  bool      // it may not be looked at
	ended   bool
}

const (
	// lookEvery is how often a process is looked at of which the kernel does not tell, lookAtStart how often while it begins a program, lookSeldom how
	// often in any case.
	lookEvery   = 10 * time.Millisecond
	lookAtStart = time.Millisecond
	lookSeldom  = 10 * time.Second
	// startPatience is how long a program may take to say that its libraries are mapped, and youth for how long one is asked for more of them that
	// says nothing when they come.
	startPatience = 250 * time.Millisecond
	youth         = time.Second
)

// look begins to look after the processes of a run, all of which have their probes.
func (s *Session) look() error {
	told, err := target.NewExecWatch()
	if err != nil {
		return err
	}
	l := &lookout{told: told, done: make(chan struct{})}
	for _, im := range s.images {
		w, err := s.watch(im, told)
		if err == nil { // else it has ended
			l.all = append(l.all, w)
		}
	}
	s.lookout = l
	go l.run()
	return nil
}

func (s *Session) watch(im *image, told *target.ExecWatch) (*watched, error) {
	p, err := target.Open(im.pid)
	if err != nil {
		return nil, err
	}
	_ = told.Add(im.pid) // without it we look more often
	program, err := inject.ProgramOf(im.pid)
	if len(im.regions) > 0 {
		if there, _ := im.region().In(im.pid); !there { // it is another one already
			program = inject.Program{}
		}
	}
	return &watched{Session: s, Process: *p, tid: p.PID, image: im, program: program, told: told, seen: time.Now()}, err
}

func (l *lookout) run() {
	defer close(l.done)
	for !l.over.Load() {
		pause := lookSeldom
		for _, w := range l.all {
			w.look()
			pause = min(pause, w.pause())
		}
		l.told.Wait(pause)
	}
}

// pause is how long it may be until the process is looked at again, if nothing is told of it.
func (w *watched) pause() time.Duration {
	switch _, over := w.told.Told(w.PID); {
	case w.ended:
		return lookSeldom
	case !w.begun.IsZero() && !w.barred:
		return lookAtStart
	case over, w.young.After(time.Now()):
		return lookEvery
	}
	return lookSeldom
}

// glance is for who is awake anyway: it says that processes run yet what they ran, and wakes the lookout where they do not. So what may have been missed is
// told to be no longer than it was where the kernel does not tell when that began.
func (s *Session) glance() {
	now := time.Now()
	if s.lookout == nil || now.Sub(s.glanced) < lookEvery || !s.changing.TryLock() {
		return
	}
	defer s.changing.Unlock()
	s.glanced = now
	for _, w := range s.lookout.all {
		if s.lookout.over.Load() || w.ended || w.barred || w.image == nil || len(w.image.regions) == 0 || !w.begun.IsZero() {
			continue
		}
		if there, _ := w.image.region().In(w.tid); there {
			w.seen = now
		} else {
			s.lookout.told.Rouse()
		}
	}
}

// end ends it, and tells of the processes that run something that was not observed.
func (l *lookout) end(changing *sync.Mutex) {
	l.over.Store(true)
	l.told.Rouse()
	<-l.done
	changing.Lock()
	l.told.Close()
	changing.Unlock()
	for _, w := range l.all {
		if note := w.unobserved(); note != "" {
			w.say(note)
		}
	}
}

// look looks at the process once.
func (w *watched) look() {
	if w.ended {
		return
	}
	w.changing.Lock()
	defer w.changing.Unlock()
	now := time.Now()
	same, err := w.same()
	w.barred = errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	switch {
	case err != nil && !w.barred:
		w.ended = !w.elsewhere() && !w.Alive() && !w.Leaderless() // a look may fall between two threads
	case err != nil:
	case !same:
		w.replaced(now)
		w.begin(now)
	case !w.begun.IsZero():
		w.begin(now)
	default:
		w.seen = now
		w.grow(now)
	}
}

// same reports whether it runs what it ran when it was last looked at.
func (w *watched) same() (bool, error) {
	if w.image != nil && len(w.image.regions) > 0 {
		if there, err := w.image.region().In(w.tid); there {
			return true, nil
		} else if err != nil && !errors.Is(err, unix.EFAULT) {
			return false, err
		}
	}
	if still, _ := w.program.Still(w.tid); still {
		return true, nil
	}
	return w.sameProgram()
}

func (w *watched) sameProgram() (bool, error) {
	now, err := inject.ProgramOf(w.tid)
	return err == nil && now.Same(w.program), err
}

// elsewhere looks for a thread that tells of the process when its first one does not. Who executes a program becomes the first one.
func (w *watched) elsewhere() bool {
	for _, tid := range w.Threads() {
		w.tid = tid
		if _, err := w.same(); err == nil {
			return true
		}
	}
	return false
}

// replaced notes that the process has executed a program.
func (w *watched) replaced(now time.Time) {
	w.leave()
	last, over := w.told.Told(w.PID)
	if w.begun.IsZero() && last.After(w.seen) {
		w.seen = last
	}
	if over { // its first thread was another one
		_ = w.told.Add(w.PID)
	}
	w.bury(w.PID)
	w.tid, w.begun, w.young = w.PID, now, now.Add(youth)
	if program, err := inject.ProgramOf(w.PID); err == nil {
		w.program = program
	}
}

// leave lets go of what the process does not run any more, though children that it has forked may; what it does run it gets back whole.
func (w *watched) leave() {
	if w.image == nil {
		return
	}
	if len(w.image.regions) > 0 {
		if there, _ := w.image.region().In(w.PID); there { // it had executed the program before we came to put probes into it
			_, result, _ := w.image.process.Detach(w.image.regions...)
			w.stood(result)
		}
	}
	w.lock.Lock()
	w.image.pid = 0
	w.lock.Unlock()
	w.image.process.Close()
	w.image.process = nil
	w.image = nil
}

// begin puts the probes into a program that has begun, once its libraries are mapped.
func (w *watched) begin(now time.Time) {
	if !w.program.Loaded(w.PID) && now.Sub(w.begun) < startPatience {
		return
	}
	w.leave()                // what a former try has left
	exe := executable(w.PID) // which it is, where the process is sure to have gone on with it
	process, err := inject.Open(w.PID)
	if err == nil {
		w.image = w.newImage(process)
		w.lock.Lock()
		w.images = append(w.images, w.image)
		w.lock.Unlock()
		err = w.image.find()
	}
	if !w.sure(now) {
		return
	}
	if err == nil {
		var refused []plan.Refusal
		still := time.Now()
		if refused, err = w.install(w.image, w.still); err == nil && len(w.image.regions) > 0 {
			w.gap(gapOf{w.PID, exe}, time.Since(w.seen)) // also where it runs another one by now
			w.seen, w.begun = still, time.Time{}
		}
		if !w.sure(now) {
			return
		}
		w.refuseLater(refused)
	}
	if err != nil {
		w.note(w.PID, err)
		if w.image != nil && len(w.image.regions) == 0 {
			w.leave()
		}
	}
	w.begun = time.Time{}
}

// still says that the process runs another program than that in which places were found, which then has a region that is to be taken back. If it comes to do so
// later, the region is gone, and nothing is patched: no call of a program is counted before the probes are there to stay.
func (w *watched) still() error {
	same, err := w.sameProgram()
	if err == nil && !same {
		return fmt.Errorf("process %d has executed another program meanwhile", w.PID)
	}
	return err
}

// sure reports whether what was done to the process was done to the program that it runs. Else it has executed another one meanwhile.
func (w *watched) sure(now time.Time) bool {
	same, err := w.sameProgram()
	if err == nil && !same {
		w.replaced(now)
	}
	return same
}

// grow puts probes into libraries that a young program has mapped, where nothing tells when it does.
func (w *watched) grow(now time.Time) {
	im := w.image
	if im == nil || im.hook != nil || now.After(w.young) || len(im.placed) == len(im.aims.objects) {
		return
	}
	fresh := im.moved(w.PID)
	if len(fresh) == 0 {
		return
	}
	arm := func() ([]plan.Refusal, error) { return im.changed(fresh) }
	if len(im.regions) == 0 {
		arm = func() ([]plan.Refusal, error) { return w.extend(im) }
	}
	refused, err := arm()
	if !w.sure(now) {
		return
	}
	w.refuseLater(refused)
	if err != nil {
		w.note(w.PID, err)
	}
}

// unobserved says of a process what it runs at the end, if nothing of that was observed.
func (w *watched) unobserved() string {
	if w.ended || !w.Alive() {
		return ""
	}
	same, err := w.same()
	switch exe := executable(w.PID); {
	case exe == "":
		return fmt.Sprintf("process %d may not be looked at any more: it has changed its rights, or executed a program that has others", w.PID)
	case err == nil && !same, !w.begun.IsZero():
		return fmt.Sprintf("process %d has executed %s just now, which was not observed", w.PID, exe)
	case w.image != nil && len(w.image.regions) == 0:
		return fmt.Sprintf("process %d has executed %s meanwhile, which has none of the functions", w.PID, exe)
	}
	return ""
}

// gap is how long processes have run a program that they executed before its probes were there.
type gap struct {
	times        int
	longest, sum time.Duration
}

// gapOf names one of the processes and a program.
type gapOf struct {
	pid int
	exe string
}

// mostGaps bounds how many are told apart; the rest is told as one.
const mostGaps = 1000

// executable is the path of what a process runs, "" where that may not be known.
func executable(pid int) string {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.TrimSuffix(exe, " (deleted)")
}

// gap notes one, which began as long ago at most.
func (s *Session) gap(at gapOf, long time.Duration) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if _, known := s.gaps[at]; !known && len(s.gaps) >= mostGaps {
		at = gapOf{}
	}
	if s.gaps == nil {
		s.gaps = map[gapOf]gap{}
	}
	g := s.gaps[at]
	g.times, g.longest, g.sum = g.times+1, max(g.longest, long), g.sum+long
	s.gaps[at] = g
}

// Unobserved is for how long processes have run programs at most, in sum, before their probes were there.
func (s *Session) Unobserved() (sum time.Duration) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, g := range s.gaps {
		sum += g.sum
	}
	return sum
}

// sentences tell of gaps.
func (g gap) sentence(of gapOf) string {
	long := g.longest.Round(100 * time.Microsecond)
	switch {
	case of.pid == 0:
		return fmt.Sprintf("further processes executed programs %d times: up to the first %v of each were not observed", g.times, long)
	case g.times == 1:
		return fmt.Sprintf("process %d executed %s, of which up to the first %v were not observed", of.pid, of.exe, long)
	}
	return fmt.Sprintf("process %d executed %s %d times, of which up to the first %v of each were not observed", of.pid, of.exe, g.times, long)
}
