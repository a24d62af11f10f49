// Package user is the engine that runs the plan's programs inside the observed process, as machine code that patched functions jump
// to.
//
// In: a plan and the program specifications that codegen made of it. Out: records from the ring, raw map cells, counts.
// Invariant: the process does what it would do unobserved; what cannot be done exactly is refused with the reason, by Check for a
// plan and at Arm for a site. It must not know what records and cells mean.
//
// The order of a run is that of the kernel engine: Open, Run (BEGIN), Arm, Read as long as it lasts, Disarm, Read once more, Run (END),
// Cells, Close. Open maps the shared region into the process; nothing is patched before Arm.
package user

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// Session is a plan inside a process. Read may run beside the other methods; these must not run beside each other.
type Session struct {
	plan   *plan.Plan
	code   *codegen.Program
	layout *shm.Layout
	memory []byte // of the maps, as the layout has it
	aims   *aimed
	rings  []ring
	survey *Survey
	own    *own
	// data is the region whose data are those of all images.
	data *inject.Region
	// images are the programs that are observed, the first that Open found first.
	images []*image
	// follows: what the processes execute is observed too, from its first instruction on; looks: from when it is noticed.
	follows, looks bool
	*following
	lookout  *lookout  // nil: nobody looks what processes execute
	listener *listener // nil: no library can come later
	// hooks: the linker of a process tells of libraries that come later, if it has the hook.
	hooks bool
	// crowd is how many images there may be before those are looked for that nobody runs any more.
	crowd int
	// changing is held by who arms probes.
	changing sync.Mutex
	// lock guards images and what follows against the thread that traces.
	lock    sync.Mutex
	refused []plan.Refusal // of programs that were executed later
	// refusedOnce has those.
	refusedOnce map[plan.Refusal]bool
	notes       []string
	unseen      map[string]int // programs that were executed and not observed, and how often
	gaps        map[gapOf]gap
	mapped      map[int]bool // objects that images had which are forgotten
	ended       []ended
	// counting is what programs do that only count, nil for others.
	counting []*translate.Count
	// deciding: the plan only decides which hits go on, through pads.
	deciding bool
	take     func(Pads) (drop func(), refused []plan.Refusal, err error) // see HandOn
	wake     engine.Waker
	sleeper  shm.Sleeper
	pause    time.Duration // until the rings are looked at again
	clock    clock
	glanced  time.Time // when it was last looked whether processes run what they ran
	stops    engine.Stops
	leaving  sync.Once
	spare    []int       // files that leaving may need
	disarmed atomic.Bool // no program runs any more
	cleared  uint64      // hits counted in maps that Clear emptied
	swept    uint64      // calls of dead threads that Sweep removed
	torn     uint64      // records that were never finished
	closing  sync.Once
}

// ring is one that programs write records into.
type ring struct {
	*shm.Reader
	// form makes a record what Read hands out; nil: it is that already.
	form func(record []byte) []byte
}

// Open maps the region of a plan into its process. Nothing is armed yet. Errors are *script.Diagnostic where a user can do something.
func Open(p *plan.Plan) (*Session, error) { return NewSurvey().Open(p) }

// Open is the function of that name with what is known already. The session has the survey from now on, if there is one, and closes it in any case.
func (s *Survey) Open(p *plan.Plan) (*Session, error) { return s.open(p, running(p), false) }

// OpenFollowed is Open for a command that is held at its first instruction, by the thread that trace runs functions on. It goes on to where
// the libraries are mapped and none of its code has run. Follow must be called once it has been let go, stopped: what it executes is observed too.
func (s *Survey) OpenFollowed(p *plan.Plan, trace func(func())) (*Session, error) {
	return s.open(p, held(p, trace), true)
}

// running opens processes that run, held a command that does not run yet.
func running(p *plan.Plan) func() ([]*inject.Process, error) {
	return func() (all []*inject.Process, err error) {
		for i, pid := range p.Filter.PIDs {
			if slices.Contains(p.Filter.PIDs[:i], pid) {
				continue
			}
			one, err := inject.Open(pid)
			if err != nil {
				return all, err
			}
			all = append(all, one)
		}
		return all, nil
	}
}

func held(p *plan.Plan, trace func(func())) func() ([]*inject.Process, error) {
	return func() ([]*inject.Process, error) {
		process, err := inject.Adopt(p.Filter.PIDs[0], trace)
		if err != nil {
			return nil, err
		}
		return []*inject.Process{process}, process.RunToStart()
	}
}

func (s *Survey) open(p *plan.Plan, processes func() ([]*inject.Process, error), follows bool) (*Session, error) {
	session, err := s.session(p, follows)
	if err != nil {
		s.Close()
		return nil, err
	}
	if err := session.start(processes); err != nil {
		return nil, err
	}
	return session, nil
}

// session does all that needs no process.
func (s *Survey) session(p *plan.Plan, follows bool) (*Session, error) {
	if err := Check(p); err != nil {
		return nil, err
	}
	code, err := compile(p)
	if err != nil {
		return nil, err
	}
	layout, err := lay(code)
	if err != nil {
		return nil, err
	}
	return &Session{plan: p, survey: s, wake: engine.NewWaker(), code: code, layout: layout, aims: newAimed(p, aims(p, code)), deciding: decides(p), follows: follows, looks: !follows}, nil
}

// start opens the processes, and gives everything back where that or what follows fails.
func (s *Session) start(processes func() ([]*inject.Process, error)) error {
	s.refusedOnce, s.mapped = map[plan.Refusal]bool{}, map[int]bool{}
	for i := range s.code.Progs {
		s.counting = append(s.counting, translate.CountOf(s.code.Progs[i].Spec.Instructions, s.layout))
	}
	if err := s.putBy(); err != nil {
		return errors.Join(err, s.Close())
	}
	all, err := processes()
	for _, process := range all {
		s.images = append(s.images, s.newImage(process))
	}
	if err == nil {
		err = s.open()
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// putBy opens as many files as leaving the processes may need, which is not to fail because as many as may be are open then.
func (s *Session) putBy() error {
	const enough = 8
	for range enough {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("files for the end of the run: %w", err)
		}
		s.spare = append(s.spare, fd)
	}
	return nil
}

// give closes them.
func (s *Session) give() {
	for _, fd := range s.spare {
		unix.Close(fd)
	}
	s.spare = nil
}

func (s *Session) open() (err error) {
	if err = s.mapAll(); err != nil {
		return err
	}
	s.memory = s.data.Data.Local[:s.layout.Size]
	s.sleeper = shm.NewSleeper(s.memory)
	if s.layout.Map(codegen.RingMap) != nil {
		reader, err := s.layout.Reader(s.memory, codegen.RingMap)
		if err != nil {
			return err
		}
		s.rings = []ring{{Reader: reader}}
	}
	if err = s.clock.start(s.memory); err != nil {
		return err
	}
	if err = s.begin(); err != nil {
		return err
	}
	if s.own, err = newOwn(s.code, s.layout, s.memory); err == nil {
		s.listen()
	}
	return err
}

// begin tells the programs when the run began.
func (s *Session) begin() error {
	t, err := s.table(codegen.RunMap)
	if t == nil || err != nil {
		return err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	value := make([]byte, t.Value)
	binary.NativeEndian.PutUint64(value, uint64(now.Nano()))
	return t.Put(make([]byte, 4), value)
}

// Stops are the times at which all of a process's threads stood still.
func (s *Session) Stops() engine.Stops {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.stops
}

// Disarm restores what was patched, in the process and in all that it has started. No program runs when it returns, so what the ring and
// the maps hold is final.
func (s *Session) Disarm() {
	s.leaving.Do(func() {
		s.hush()
		if s.lookout != nil {
			s.lookout.end(&s.changing)
		}
		if s.following != nil && s.tracer != nil {
			s.tracer.Close()
		}
		s.give()
		s.detach()
		s.disarmed.Store(true)
	})
}

// Close disarms and gives everything back.
func (s *Session) Close() error {
	var errs []error
	s.closing.Do(func() {
		s.Disarm()
		if s.own != nil {
			errs = append(errs, s.own.close())
		}
		s.survey.Close()
		for _, im := range s.images {
			errs = append(errs, im.close(s.data))
		}
		if s.data != nil {
			errs = append(errs, s.data.Close())
		}
	})
	return errors.Join(errs...)
}

// detach leaves the processes and their children.
func (s *Session) detach() {
	var all []*inject.Region
	for _, im := range s.images {
		all = append(all, im.regions...)
	}
	left := map[int]bool{}
	s.absences()
	for again := len(all) > 0; again; {
		again = false
		for pid, regions := range inject.Users(all) {
			if !left[pid] {
				left[pid], again = true, true
				s.leave(pid, regions)
			}
		}
	}
}

// leave leaves one process. One that cannot be stopped any more, as another tracer holds it, keeps its jumps, which is said.
func (s *Session) leave(pid int, regions []*inject.Region) {
	p, err := s.running(pid), error(nil)
	if p == nil {
		if p, err = inject.Open(pid); err == nil {
			defer p.Close()
		}
	}
	if err == nil {
		var result inject.Result
		_, result, err = p.Detach(regions...)
		s.stood(result)
	}
	if err == nil {
		return
	}
	for _, r := range regions {
		r.Retire()
	}
	if _, gone := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); gone == nil && !errors.Is(err, script.NoProcess) {
		s.say(fmt.Sprintf("process %d keeps its jumps until `sonde recover %d`: %s", pid, pid, because(err)))
	}
}

// running is a process that Open opened.
func (s *Session) running(pid int) *inject.Process {
	for _, im := range s.images {
		if im.process != nil && im.process.PID == pid {
			return im.process
		}
	}
	return nil
}

// stood notes that threads stood still.
func (s *Session) stood(r inject.Result) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.stops.Add(engine.Stops{Longest: r.Stopped, Number: r.Stops})
}

// Recover makes a process whole that a sonde has left without taking leave; see inject.Recover.
func Recover(pid int) (mended, left int, err error) { return inject.Recover(pid) }
