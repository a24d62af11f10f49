package kernel

import "github.com/sonde-project/sonde/internal/engine/lease"

// lease leases the files of sets, before anything is armed in them.
func (h *hold) lease(sets []armSet) {
	for i := range sets {
		h.leases.Take(sets[i].path)
	}
}

// watch begins to listen for files that are to be written to.
func (h *hold) watch() {
	if h.leases == nil {
		h.leases = lease.New(h.letGo)
	}
}

// letGo disarms what is in a file.
func (h *hold) letGo(path string) {
	of := h.of(path)
	of.release()
	if len(of.events) > 0 {
		waitForHandlers()
		of.finish()
	}
}

// places notes in which file it is that sites are armed.
func (h *hold) places(path string, armed hold) {
	if h.paths == nil {
		h.paths = map[int]string{}
	}
	for _, fds := range [][]int{armed.links, armed.events} {
		for _, fd := range fds {
			h.paths[fd] = path
		}
	}
}

// of takes out what keeps sites of a file armed.
func (h *hold) of(path string) (out hold) {
	for _, list := range []struct{ from, to *[]int }{{&h.entries, &out.entries}, {&h.links, &out.links}, {&h.events, &out.events}} {
		var rest []int
		for _, fd := range *list.from {
			if h.paths[fd] == path {
				*list.to = append(*list.to, fd)
			} else {
				rest = append(rest, fd)
			}
		}
		*list.from = rest
	}
	return out
}

// notes say which files were let go of, and what was not observed for a while.
func (h *hold) notes() []string {
	if h.leases == nil {
		return nil
	}
	return append(h.leases.Notes(), h.heir.list()...)
}
