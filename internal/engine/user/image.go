package user

import (
	"errors"
	"slices"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// image is a program in a process, and in those that it forks, from when it is executed to when all of them have ended or executed another.
// All images of a session have its maps in common.
type image struct {
	*Session
	process *inject.Process
	// regions: the first has the shared data, private memory, gates and programs; further ones are windows of code that was mapped later.
	regions []*inject.Region
	places  *places  // that are about to be armed
	ready   *patches // that arm makes, once prepare has run
	threads threads
	env     *translate.Env
	// programs are where the image has them.
	programs []uint64
	placed   map[int]symbol.Bias // objects of the plan whose places are found, and where they were
	made     map[int]made
	hook     *hook // nil: libraries that come later are not noticed
	pid      int
	drops    []func() // what takes the kernel's probes off its pads
	// inherited is how many of the regions are those of the process that forked this one.
	inherited int
}

func (s *Session) newImage(process *inject.Process) *image {
	return &image{Session: s, process: process, pid: process.PID, placed: map[int]symbol.Bias{}, made: map[int]made{}}
}

// find plans the windows of the objects that the image maps by now.
func (im *image) find() error {
	im.ready = nil
	process, err := target.Open(im.process.PID)
	if err != nil {
		return err
	}
	im.places, err = im.survey.place(im.aims, process, im.placed)
	return err
}

// region is the one with the data.
func (im *image) region() *inject.Region { return im.regions[0] }

// mapAll makes the regions of the images that there are. Where they have nothing to probe, and what they execute may have, there are the data alone.
func (s *Session) mapAll() (err error) {
	s.hooks = s.libraries()
	for _, im := range s.images {
		if err := im.find(); err != nil {
			return err
		}
		if s.hooks {
			im.findHook()
		}
	}
	s.missing()
	var refused []refused
	for _, im := range s.images {
		refused = append(refused, im.places.refused...)
		if len(im.places.windows) == 0 && im.hook == nil {
			continue
		}
		if err := im.mapRegion(s.data); err != nil {
			return err
		}
		if s.data == nil {
			s.data = im.region()
		}
	}
	switch {
	case s.data != nil:
		return nil
	case len(refused) > 0 && !(s.follows && len(s.images[0].places.absent) > 0):
		return nothingArmed(refusals(s.plan, refused))
	}
	s.data, err = inject.NewData(s.dataSize())
	return err
}

// missing refuses the objects that no process maps, unless they may come with what is executed later.
func (s *Session) missing() {
	if s.follows {
		return
	}
	var all []*places
	for _, im := range s.images {
		all = append(all, im.places)
	}
	hooked := slices.ContainsFunc(s.images, func(im *image) bool { return im.hook != nil })
	for _, r := range absent(all) {
		if !hooked || !s.library(r.site.Object) {
			all[0].refused = append(all[0].refused, r)
		}
	}
}

// absent gives the sites of objects that none of several processes maps.
func absent(all []*places) []refused {
	return slices.DeleteFunc(slices.Clone(all[0].absent), func(r refused) bool {
		return slices.ContainsFunc(all[1:], func(w *places) bool {
			return !slices.ContainsFunc(w.absent, func(other refused) bool { return other.site == r.site })
		})
	})
}

// close gives back what we map of an image's regions, but for the data of all.
func (im *image) close(data *inject.Region) error {
	var errs []error
	for _, drop := range im.drops {
		drop()
	}
	for _, r := range im.regions[im.inherited:] {
		if r != data {
			errs = append(errs, r.Close())
		}
	}
	if im.process != nil {
		im.process.Close()
	}
	return errors.Join(errs...)
}

// data is where the image has the memory of the maps.
func (im *image) data() uint64 { return im.region().Data.Addr }

// prepare writes the code of what find found.
func (im *image) prepare() error {
	if im.ready != nil {
		return nil
	}
	ready := &patches{refused: refusals(im.plan, im.places.refused)}
	im.ready = ready
	if len(im.places.windows) == 0 && !im.needsDoor() {
		return nil
	}
	texts, err := im.write()
	if err != nil {
		return err
	}
	if im.needsDoor() {
		area, _ := im.region().Text(im.hook.addr)
		door, err := im.door(texts[area.Addr])
		if err != nil {
			return err
		}
		ready.list, ready.of = append(ready.list, door), append(ready.of, nil)
	}
	places := im.process.Inspect()
	ready.list, ready.of = slices.Grow(ready.list, len(im.places.windows)), slices.Grow(ready.of, len(im.places.windows))
	for i := range im.places.windows {
		w := &im.places.windows[i]
		patch, err := im.patch(w, texts, places)
		if err != nil {
			ready.refused = append(ready.refused, im.refuse(w, err)...)
			continue
		}
		ready.list, ready.of = append(ready.list, patch), append(ready.of, w)
	}
	return nil
}

// needsDoor: the hook is to be made the bell, with the first region.
func (im *image) needsDoor() bool { return im.hook != nil && len(im.regions) == 1 }

// arm makes what find found into jumps, in one stop.
func (im *image) arm() ([]plan.Refusal, error) {
	if err := im.prepare(); err != nil {
		return nil, err
	}
	ready, refusals := im.ready, im.ready.refused
	im.ready, im.places = &patches{}, &places{} // there may be many images
	if len(ready.list) == 0 {
		return refusals, nil
	}
	more, err := im.handOn(ready.pads)
	refusals = append(refusals, more...)
	if err != nil {
		return refusals, err
	}
	region := im.regions[len(im.regions)-1]
	result, err := im.process.Patch(region, ready.list, im.region())
	im.stood(result)
	if err != nil {
		return refusals, err
	}
	for _, r := range result.Refused {
		if ready.of[r.Patch] == nil {
			im.say("libraries that are mapped later are not observed: " + r.Err.Error())
			continue
		}
		refusals = append(refusals, im.refuse(ready.of[r.Patch], r.Err)...)
	}
	libraries := map[int]bool{}
	for _, i := range im.aims.objects {
		libraries[i] = im.library(i)
	}
	for i, w := range ready.of {
		if w == nil || !libraries[w.object.index] || slices.ContainsFunc(result.Refused, func(r inject.Refusal) bool { return r.Patch == i }) {
			continue
		}
		m := im.made[w.object.index]
		if m.region != region {
			m = made{bias: w.object.bias, region: region}
		}
		m.list = append(m.list, ready.list[i])
		im.made[w.object.index] = m
	}
	if len(result.Refused) == len(ready.list) {
		return refusals, nothingArmed(refusals)
	}
	return refusals, nil
}
