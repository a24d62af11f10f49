package user

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// Libraries that a process maps later (dlopen), or maps again, get their probes while the thread that maps them waits: the function by which
// the dynamic linker tells debuggers of them becomes a jump to shm.Doorbell. Nothing of a library has run then, so the other threads go on.

// hook is that function: a ret and padding.
type hook struct {
	addr  uint64
	bytes []byte
}

// doorRoom is for the code that it becomes.
const doorRoom = 512

// made are the jumps into an object, at the place where it was when they were made.
type made struct {
	bias   symbol.Bias
	region *inject.Region
	list   []inject.Patch
}

// listener answers the bell.
type listener struct {
	bell shm.Bell
	over atomic.Bool
	done chan struct{}
	deaf int // how often a thread has given up
}

// listen begins to, if the plan names libraries.
func (s *Session) listen() {
	if !s.libraries() {
		return
	}
	quiet := uint64(0)
	if s.clock.now.Factor != 0 {
		const halfSecond = 500_000_000
		quiet = halfSecond << 32 / s.clock.now.Factor
	}
	s.listener = &listener{bell: shm.NewBell(s.memory, quiet), done: make(chan struct{})}
	go s.listener.run(s.rung)
}

// run has answer work for each thread that rings, until it is over.
func (l *listener) run(answer func(tid int)) {
	defer close(l.done)
	for !l.over.Load() {
		l.look()
		if tid := l.bell.Listen(); tid != 0 {
			l.whileBeating(func() { answer(tid) })
			l.bell.Answer()
		}
	}
}

// look notes that a thread has given up.
func (l *listener) look() {
	if l.bell.GivenUp() {
		l.deaf++
	}
}

// beatEvery is how often a thread that rings is told that somebody works on its answer; it waits for half a second without that.
const beatEvery = 50 * time.Millisecond

func (l *listener) whileBeating(work func()) {
	l.bell.Beat()
	ready := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ready:
				return
			case <-tick.C:
				l.bell.Beat()
			}
		}
	})
	work()
	close(ready)
	beats.Wait()
}

// end ends that.
func (l *listener) end() {
	l.over.Store(true)
	for {
		l.bell.Rouse()
		select {
		case <-l.done:
			l.look()
			l.bell.Leave()
			return
		case <-time.After(time.Millisecond): // it may have been on its way to listen
		}
	}
}

// hush ends that. Who waits for an answer goes on.
func (s *Session) hush() {
	if s.listener == nil {
		return
	}
	s.listener.end()
	if n := s.listener.deaf; n > 0 {
		s.say(fmt.Sprintf("sonde did not get to run for half a second while a library was mapped (%d times): calls of what was mapped then are missing", n))
	}
	s.listener = nil
}

// libraries reports whether the plan names libraries that may come and go: the C library and the linker do not.
func (s *Session) libraries() bool {
	return slices.ContainsFunc(s.aims.objects, s.library)
}

// library reports whether one of the plan's objects is such a library.
func (s *Session) library(i int) bool {
	name := filepath.Base(s.plan.Objects[i].Path)
	if strings.HasPrefix(name, "libc.") || strings.HasPrefix(name, "libc-") || strings.HasPrefix(name, "ld-") {
		return false
	}
	file, err := s.survey.file(&s.plan.Objects[i])
	return err == nil && !file.Program()
}

// absences tells of libraries that were waited for in vain.
func (s *Session) absences() {
	if s.follows || len(s.images) == 0 {
		return
	}
	for i := range s.plan.Objects {
		if s.libraries() && s.library(i) && !s.mapped[i] && !slices.ContainsFunc(s.images, func(im *image) bool { _, there := im.made[i]; return there }) {
			s.say("no process that was observed has mapped " + s.plan.Objects[i].Path)
		}
	}
}

// findHook finds the linker's function of an image, if it can be made the bell.
func (im *image) findHook() {
	addr, ok := im.process.LoaderHook()
	if !ok {
		return
	}
	bytes := make([]byte, jumpLen)
	const ret = 0xc3
	if peek(im.process.PID, addr, bytes) == nil && bytes[0] == ret && addr%pageSize <= pageSize-jumpLen {
		im.hook = &hook{addr, bytes}
	}
}

const (
	jumpLen  = 5
	pageSize = 4096
)

// door writes the code that the hook becomes, and says how it is patched.
func (im *image) door(t *text) (inject.Patch, error) {
	c := &x86.Code{}
	shm.Doorbell(c, im.data())
	code, err := c.Assemble(t.next())
	if err != nil {
		return inject.Patch{}, err
	}
	at, err := t.put(code)
	if err != nil {
		return inject.Patch{}, err
	}
	bypass, err := t.put([]byte{0xc3})
	return inject.Patch{Addr: im.hook.addr, Function: im.hook.addr, Bytes: im.hook.bytes, Jump: at, Bypass: bypass}, err
}

// rung puts probes into what a process has mapped, one of whose threads waits.
func (s *Session) rung(tid int) {
	s.changing.Lock()
	defer s.changing.Unlock()
	pid := leaderOf(tid)
	im := s.imageOf(pid)
	if im == nil {
		return
	}
	fresh := im.moved(pid)
	if len(fresh) == 0 {
		return
	}
	visit := func(process *inject.Process) {
		had := im.process
		im.process = process
		refused, err := im.changed(fresh)
		s.refuseLater(refused)
		if err != nil {
			s.note(pid, err)
		}
		im.process = had
	}
	var err error
	if s.following != nil {
		err = s.tracer.Visit(pid, tid, visit)
	} else {
		err = inject.Visit(pid, tid, visit)
	}
	if err != nil && leaderOf(tid) != 0 {
		s.note(pid, err)
	}
}

func leaderOf(tid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	_, rest, _ := strings.Cut(string(text), "\nTgid:\t")
	word, _, _ := strings.Cut(rest, "\n")
	pid, _ := strconv.Atoi(word)
	return pid
}

// imageOf gives the image that a process runs, one of its own where it has it from the process that forked it: what either maps from now on
// the other does not.
func (s *Session) imageOf(pid int) *image {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, im := range s.images {
		if im.pid == pid && (s.following == nil || s.starting[pid] == nil || s.starting[pid] == im) {
			return im
		}
	}
	var all []*inject.Region
	for _, im := range s.images {
		all = append(all, im.regions...)
	}
	mapped := inject.Maps(pid, all)
	var parent *image
	for _, im := range s.images {
		if len(im.regions) > 0 && !slices.ContainsFunc(im.regions, func(r *inject.Region) bool { return !slices.Contains(mapped, r) }) && (parent == nil || len(im.regions) > len(parent.regions)) {
			parent = im
		}
	}
	if parent == nil || !s.follows {
		return nil
	}
	child := *parent
	child.pid, child.process, child.drops, child.inherited = pid, nil, nil, len(parent.regions)
	child.regions, child.placed, child.made = slices.Clone(parent.regions), maps.Clone(parent.placed), maps.Clone(parent.made)
	s.images = append(s.images, &child)
	return &child
}

// moved forgets what a process does not map any more, and gives what it maps that has no probes.
func (im *image) moved(pid int) map[int]symbol.Bias {
	process, err := target.Open(pid)
	if err != nil {
		return nil
	}
	mappings, err := process.Maps()
	if err != nil {
		return nil
	}
	fresh := map[int]symbol.Bias{}
	for i := range im.plan.Objects {
		o, err := im.survey.object(im.plan, i, mappings)
		bias, placed := im.placed[i]
		if m, ok := im.made[i]; placed && (err != nil || o.bias != bias || ok && !jumps(pid, m)) {
			delete(im.placed, i)
			placed = false
		}
		if err == nil && !placed {
			fresh[i] = o.bias
		}
	}
	return fresh
}

// changed arms what an image maps anew. For what lies where it was before, the code is there still.
func (im *image) changed(fresh map[int]symbol.Bias) ([]plan.Refusal, error) {
	for i, bias := range fresh {
		m, ok := im.made[i]
		if !ok || m.bias != bias {
			continue
		}
		result, err := im.process.Patch(m.region, m.list, im.region())
		if err != nil {
			return nil, err
		}
		for _, r := range result.Refused {
			im.say(im.plan.Objects[i].Path + ": " + r.Err.Error())
		}
		im.placed[i] = bias
		delete(fresh, i)
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if err := im.find(); err != nil || len(im.places.windows) == 0 {
		return nil, err
	}
	return im.more()
}

// more arms the windows that find has found, in a region of their own.
func (im *image) more() ([]plan.Refusal, error) {
	if len(im.regions) >= maxRegions {
		return nil, fmt.Errorf("libraries were mapped at more than %d places", maxRegions)
	}
	if err := im.mapRegion(im.Session.data); err != nil {
		return nil, err
	}
	return im.arm()
}

// maxRegions bounds how many an image has.
const maxRegions = 64

// jumps reports whether the jumps of an object are there.
func jumps(pid int, m made) bool {
	if len(m.list) == 0 {
		return true
	}
	now := make([]byte, jumpLen)
	return peek(pid, m.list[0].Addr, now) == nil && !slices.Equal(now, m.list[0].Bytes[:jumpLen])
}
