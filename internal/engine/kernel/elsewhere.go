package kernel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan"
)

// elsewhere is sites that are armed in another place than their own, for as long as that is there.
type elsewhere struct {
	hold
	at []uint64 // what the places map says of
}

// ArmAt arms sites in other places, for programs that were compiled with codegen.Features.Moved; where says which, and which sites to leave out. stands are
// the addresses there, and those of the sites that they stand for. It may be called again, for the places of further processes, and beside the other methods
// but Disarm; drop takes away what it has armed.
func (s *Session) ArmAt(where func(probe, site int) (Place, bool), stands map[uint64]uint64) (drop func(), _ []plan.Refusal, err error) {
	e := &elsewhere{}
	drop = func() { s.drop(e) }
	m := s.maps[codegen.PlacesMap]
	for at, site := range stands {
		if m == nil {
			break
		}
		if err := m.Put(at, site); err != nil {
			drop()
			return nil, nil, fmt.Errorf("places: %w", err)
		}
		e.at = append(e.at, at)
	}
	sets := s.sets(where)
	for i := range sets {
		if !sets[i].multi { // nobody else maps what they are in, and events that are narrowed end with a thread: see heir
			sets[i].pid = 0
		}
	}
	refused, err := e.put(s.plan, sets)
	s.arming.Lock()
	s.elsewhere = append(s.elsewhere, e)
	s.arming.Unlock()
	if err != nil {
		drop()
	}
	return drop, refused, err
}

// drop takes the probes of some places away.
func (s *Session) drop(e *elsewhere) {
	s.arming.Lock()
	s.elsewhere = slices.DeleteFunc(s.elsewhere, func(other *elsewhere) bool { return other == e })
	s.arming.Unlock()
	e.end(&s.closing)
	m := s.maps[codegen.PlacesMap]
	for _, at := range e.at {
		if m == nil {
			break
		}
		if err := m.Delete(at); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			break // the session is closed, and the map with it
		}
	}
	e.at = nil
}

// endElsewhere takes all such probes away.
func (s *Session) endElsewhere() {
	s.arming.Lock()
	all := s.elsewhere
	s.elsewhere = nil
	s.arming.Unlock()
	_ = sideBySide(len(all), func(i int) error {
		all[i].end(&s.closing)
		return nil
	})
}
