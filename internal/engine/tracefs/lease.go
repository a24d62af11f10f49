package tracefs

import "path/filepath"

// letGo disarms what is in a file: the sites of one event are all of one.
func (s *Session) letGo(path string) {
	for _, e := range s.byID {
		if s.file(e) == path {
			_ = s.inside.write(filepath.Join("events", s.name, e.name, "enable"), "0")
		}
	}
}

// file is the one that an event's sites are in.
func (s *Session) file(e *event) string {
	return s.plan.Objects[s.plan.Probes[e.probe].Sites[e.sites[0]].Object].Open
}

// Notes say which files were written to while they were probed.
func (s *Session) Notes() []string {
	if s.leases == nil {
		return nil
	}
	return s.leases.Notes()
}
