package kernel

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/lease"
)

// armSite is one address to arm, as the kernel wants it.
type armSite struct {
	offset uint64 // in the file
	refCtr uint64 // of the semaphore in the file, 0 none
	cookie uint64
	probe  int // index into Plan.Probes
	site   int // index into its Sites
}

// armSet is the sites of one object that one program serves.
type armSet struct {
	prog  int // descriptor
	path  string
	pid   int  // 0: every process
	ret   bool // fire when the function returns
	multi bool // one link for all; else a perf event and a link per site
	// session: multi, and fire at the entry and when the function returns.
	session bool
	last    bool // arm it after the others
	sites   []armSite
}

// refused is a site that the kernel will not probe.
type refused struct {
	armSite
	err error
}

// hold is what keeps sites armed. A link runs the program, those of entries apart; events are what single links hang on, closed after them.
type hold struct {
	entries, links, events []int
	paths                  map[int]string // of the files that these are in
	leases                 *lease.Files   // those files
	heir                   *heir          // nil: the sites are everybody's
}

// maxMulti is MAX_UPROBE_MULTI_CNT of kernel/trace/bpf_trace.c.
const maxMulti = 1 << 20

// hopeless is how many sites of a set may be refused before one is accepted: then it is the file that is refused.
const hopeless = 32

// siteError reports whether the kernel refuses an instruction rather than the whole request.
func siteError(err error) bool {
	return errors.Is(err, engine.ErrNotSupp) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)
}

// armAll arms sites by arm, which takes or refuses all that it is given. Where it refuses because of single sites, those are
// found by halving and left out. Sites next to each other share a link as long as none of them is refused.
func armAll(sites []armSite, arm func([]armSite) error) (out []refused, err error) {
	armed := 0
	var try func([]armSite) error
	try = func(some []armSite) error {
		err := arm(some)
		switch {
		case err == nil:
			armed += len(some)
			return nil
		case !siteError(err):
			return err
		case len(some) > 1:
			half := len(some) / 2
			if err := try(some[:half]); err != nil {
				return err
			}
			return try(some[half:])
		}
		out = append(out, refused{some[0], err})
		if armed == 0 && len(out) >= hopeless {
			return err
		}
		return nil
	}
	for len(sites) > 0 && err == nil {
		n := min(len(sites), maxMulti)
		err = try(sites[:n])
		sites = sites[n:]
	}
	return out, err
}

// arm arms a set. On an error nothing of it stays armed.
func (s *armSet) arm(perf *perfUprobe) (hold, []refused, error) {
	var h hold
	var out []refused
	var err error
	if s.multi {
		out, err = armAll(s.sites, func(some []armSite) error {
			fd, err := linkMulti(s.link(some))
			if err == nil {
				h.links = append(h.links, fd)
			}
			return err
		})
	} else {
		h, out, err = s.armSingly(perf)
	}
	if err != nil {
		h.release()
		h.finish()
		return hold{}, nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return h, out, nil
}

func (s *armSet) link(some []armSite) multiLink {
	l := multiLink{
		prog: s.prog, path: s.path, pid: uint32(s.pid), ret: s.ret, session: s.session,
		offsets: make([]uint64, len(some)), cookies: make([]uint64, len(some)),
	}
	for i := range some {
		l.offsets[i], l.cookies[i] = some[i].offset, some[i].cookie
		if some[i].refCtr != 0 {
			if l.refCtrs == nil {
				l.refCtrs = make([]uint64, len(some))
			}
			l.refCtrs[i] = some[i].refCtr
		}
	}
	return l
}

// armSingly opens one perf event and one link per site, side by side: each waits for the kernel's RCU.
func (s *armSet) armSingly(perf *perfUprobe) (hold, []refused, error) {
	var h hold
	var out []refused
	var mu sync.Mutex
	err := sideBySide(len(s.sites), func(i int) error {
		event, err := perf.open(s.path, s.pid, s.ret, s.sites[i])
		link := -1
		if err == nil {
			if link, err = linkPerf(s.prog, event, s.sites[i].cookie); err != nil {
				unix.Close(event)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			h.links, h.events = append(h.links, link), append(h.events, event)
			return nil
		case !siteError(err), len(h.links) == 0 && len(out) >= hopeless:
			return err
		}
		out = append(out, refused{s.sites[i], err})
		return nil
	})
	return h, out, err
}

// release closes the links: no program runs afterwards. A uprobe_multi link takes its sites with it. Entries go first: a call
// that is entered while its return is gone already would look like one that was left by an exception.
func (h *hold) release() {
	closeAll(h.entries)
	closeAll(h.links)
	h.entries, h.links = nil, nil
}

// end takes every probe away and waits for the programs that run, so that what they write is final when it returns. What it leaves to
// closing, kernels without uprobe_multi need a while for: they go on taking their breakpoints out.
func (h *hold) end(closing *sync.WaitGroup) {
	h.heir.end()
	if l := h.leases; l != nil {
		l.Lock()
		defer l.Unlock()
		defer l.End()
	}
	single := len(h.events) > 0
	h.release()
	if single {
		waitForHandlers()
		events := hold{events: h.events}
		h.events = nil
		closing.Go(events.finish)
	}
}

// finish closes what is left of single links. The kernel does so one after the other, 0.1 s each, under one lock
// (perf_uprobe_destroy of kernel/trace/trace_event_perf.c), whoever asks: so it comes after everything that matters.
func (h *hold) finish() {
	closeAll(h.events)
	h.events = nil
}

func closeAll(fds []int) {
	sideBySide(len(fds), func(i int) error {
		unix.Close(fds[i])
		return nil
	})
}

// width is how many calls wait for the kernel at a time; each takes an OS thread.
const width = 64

// sideBySide calls fn for 0 to n-1, several at a time, and gives the first error. After an error no more are begun.
func sideBySide(n int, fn func(i int) error) error {
	if n == 1 {
		return fn(0)
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		next  int
		first error
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && first == nil
	}
	for range min(n, width) {
		group.Go(func() {
			for i, more := take(); more; i, more = take() {
				if err := fn(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return first
}
