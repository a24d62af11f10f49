package user

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// following is what a session knows of the programs that a command, and what it starts, executes. All of it belongs to the thread that
// traces them, but for starting, which lock guards.
type following struct {
	tracer   *inject.Follower
	files    map[fileID]bool // the plan's objects
	starting map[int]*image  // by process: the program that it is about to begin
}

// smallCrowd is how many images are kept before somebody looks.
const smallCrowd = 32

// Follow lets a command run that was let go stopped, and puts the probes into every program that it and its children execute, before its
// first instruction.
func (s *Session) Follow() error {
	f := &following{files: map[fileID]bool{}, starting: map[int]*image{}}
	for i := range s.plan.Objects {
		desc := &s.plan.Objects[i]
		info, err := os.Stat(desc.Open)
		if err != nil {
			continue
		}
		f.files[idOf(info)] = true
		if file, err := symbol.Open(desc.Open); err == nil {
			s.hooks = s.hooks || !file.Program()
			file.Close()
		}
	}
	s.following = f
	s.images[0].process = nil // its thread is the command's, which has nothing to say any more
	tracer, err := inject.Follow(s.plan.Filter.PIDs[0], inject.Watch{Wanted: s.begins, Loaded: s.loaded})
	f.tracer = tracer
	return err
}

// begins sees a process that has executed a program: what it ran before is no more. It reports whether there may be something to probe.
func (s *Session) begins(pid int) bool {
	f := s.following
	s.lock.Lock()
	delete(f.starting, pid)
	s.lock.Unlock()
	s.bury(pid)
	info, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && (s.hooks || f.files[idOf(info)])
}

// loaded puts probes into what a program that has not begun maps by now.
func (s *Session) loaded(pid int, process *inject.Process, err error) {
	s.lock.Lock()
	im := s.starting[pid]
	if im == nil {
		im = s.newImage(process)
		im.pid = pid
		s.starting[pid] = im
	}
	s.lock.Unlock()
	if err == nil {
		im.process = process
		var refused []plan.Refusal
		refused, err = s.extend(im)
		s.refuseLater(refused)
		im.process = nil
	}
	if err != nil {
		s.note(pid, err)
	}
}

// extend arms what an image maps and has not armed yet.
func (s *Session) extend(im *image) ([]plan.Refusal, error) {
	if err := im.find(); err != nil {
		return nil, err
	}
	return s.install(im, func() error { return nil })
}

// install arms what find has found, if still has no objection when there is room for it in the program.
func (s *Session) install(im *image, still func() error) ([]plan.Refusal, error) {
	if len(im.regions) == 0 && s.hooks {
		im.findHook()
	}
	if len(im.places.windows) == 0 && (im.hook == nil || len(im.regions) > 0) {
		return refusals(im.plan, im.places.refused), nil
	}
	s.crowded()
	if err := im.mapRegion(s.data); err != nil {
		return nil, err
	}
	s.lock.Lock()
	if !slices.Contains(s.images, im) {
		s.images = append(s.images, im)
	}
	s.lock.Unlock()
	if err := still(); err != nil {
		return nil, err
	}
	return im.arm()
}

// crowded forgets the images that nobody runs any more, once there are many.
func (s *Session) crowded() {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.crowd = max(s.crowd, smallCrowd); len(s.images) < s.crowd {
		return
	}
	var all []*inject.Region
	for _, im := range s.images {
		all = append(all, im.regions...)
	}
	used := map[*inject.Region]bool{}
	for _, regions := range inject.Users(all) {
		for _, r := range regions {
			used[r] = true
		}
	}
	s.images = slices.DeleteFunc(s.images, func(im *image) bool {
		if im.process != nil || len(im.regions) > 0 && used[im.region()] {
			return false
		}
		for i := range im.made {
			s.mapped[i] = true
		}
		_ = im.close(s.data)
		return true
	})
	s.crowd = 2*len(s.images) + smallCrowd
}

// refuseLater notes what could not be probed in a program that was executed meanwhile, each place once.
func (s *Session) refuseLater(refusals []plan.Refusal) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, r := range refusals {
		if !s.refusedOnce[r] {
			s.refusedOnce[r] = true
			s.refused = append(s.refused, r)
		}
	}
}

// Refused says what could not be probed in programs that were executed after Arm.
func (s *Session) Refused() []plan.Refusal {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.refused)
}

// note remembers why a program was not observed that a process executed, once for each program and reason.
func (s *Session) note(pid int, err error) {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	text := fmt.Sprintf("%s, executed by process %d, was not observed: %s", exe, pid, because(err))
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.unseen == nil {
		s.unseen = map[string]int{}
	}
	if s.unseen[exe]++; s.unseen[exe] == 1 {
		s.notes = append(s.notes, text)
	}
}

// because is an error as part of a sentence.
func because(err error) string {
	var d *script.Diagnostic
	if errors.As(err, &d) {
		return d.Message
	}
	return err.Error()
}

// say adds a note.
func (s *Session) say(note string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.notes = append(s.notes, note)
}

// Notes are sentences about what was not observed.
func (s *Session) Notes() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	notes := slices.Clone(s.notes)
	for of, g := range s.gaps {
		notes = append(notes, g.sentence(of))
	}
	slices.Sort(notes[len(s.notes):])
	return notes
}

// ended is an open call of a program that was replaced.
type ended struct {
	frames codegen.FrameMap
	value  []byte
}

// bury takes the calls away that a process had open in the program that it has replaced: nobody returns from them.
func (s *Session) bury(pid int) {
	replaced := ownedBy(pid)
	for _, frames := range s.code.Frames {
		_ = s.sweep(frames.Name, replaced, func(value []byte) {
			s.lock.Lock()
			defer s.lock.Unlock()
			s.ended = append(s.ended, ended{frames, value})
		})
	}
	_ = s.sweep(codegen.DepthMap, replaced, func([]byte) {})
}

// takeEnded hands on what bury has found.
func (s *Session) takeEnded(fn func(engine.OpenCall)) {
	s.lock.Lock()
	list := s.ended
	s.ended = nil
	s.lock.Unlock()
	for _, e := range list {
		s.swept++
		fn(engine.Opened(e.frames, e.value, true))
	}
}
