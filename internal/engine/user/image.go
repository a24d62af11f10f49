package user

import (
	"errors"
	"slices"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/plan"
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
	placed   map[int]bool // objects of the plan whose places are found
}

func (s *Session) newImage(process *inject.Process) *image {
	return &image{Session: s, process: process, placed: map[int]bool{}}
}

// find plans the windows of the objects that the image maps by now.
func (im *image) find() error {
	im.ready = nil
	process, err := target.Open(im.process.PID)
	if err != nil {
		return err
	}
	im.places, err = place(im.plan, im.aims, process, im.files, im.placed)
	return err
}

// region is the one with the data.
func (im *image) region() *inject.Region { return im.regions[0] }

// mapAll makes the regions of the images that there are. Where they have nothing to probe, and what they execute may have, there are the data alone.
func (s *Session) mapAll() (err error) {
	for _, im := range s.images {
		if err := im.find(); err != nil {
			return err
		}
	}
	s.missing()
	var refused []refused
	for _, im := range s.images {
		refused = append(refused, im.places.refused...)
		if len(im.places.windows) == 0 {
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
	all[0].refused = append(all[0].refused, absent(all)...)
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
	for _, r := range im.regions {
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
	if len(im.places.windows) == 0 {
		return nil
	}
	texts, err := im.write()
	if err != nil {
		return err
	}
	for i := range im.places.windows {
		w := &im.places.windows[i]
		patch, err := im.patch(w, texts)
		if err != nil {
			ready.refused = append(ready.refused, im.refuse(w, err)...)
			continue
		}
		ready.list, ready.of = append(ready.list, patch), append(ready.of, w)
	}
	return nil
}

// arm makes what find found into jumps, in one stop.
func (im *image) arm() ([]plan.Refusal, error) {
	if err := im.prepare(); err != nil {
		return nil, err
	}
	ready, refusals := im.ready, im.ready.refused
	if len(im.places.windows) == 0 {
		return refusals, nil
	}
	result, err := im.process.Patch(im.regions[len(im.regions)-1], ready.list)
	im.stood(result)
	if err != nil {
		return refusals, err
	}
	for _, r := range result.Refused {
		refusals = append(refusals, im.refuse(ready.of[r.Patch], r.Err)...)
	}
	if len(result.Refused) == len(ready.list) {
		return refusals, nothingArmed(refusals)
	}
	return refusals, nil
}
