package inject

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/script"
)

const (
	memfdExec = 0x10 // MFD_EXEC, since Linux 6.3
	readable  = unix.PROT_READ
	writable  = unix.PROT_READ | unix.PROT_WRITE
	runnable  = unix.PROT_READ | unix.PROT_EXEC
	noFile    = ^uint64(0) // as a file descriptor: -1
)

// Map makes a region in the process, in one stop. What a sonde that has died left there is taken back first.
func (p *Process) Map(q Request) (r *Region, result Result, err error) {
	for range tries {
		var more Result
		r, more, err = p.mapOnce(q)
		result.add(more)
		if !errors.Is(err, unix.EEXIST) { // a thread that runs has mapped something there meanwhile
			break
		}
	}
	return r, result, err
}

func (p *Process) mapOnce(q Request) (r *Region, result Result, err error) {
	leaked := p.leaked()
	result, err = p.stop(func(h *hold) error {
		if h.alone != 0 {
			// others' threads may be anywhere
		} else if _, err := h.heal(nil, leaked); err != nil {
			return err
		}
		r, err = h.makeRegion(q)
		return err
	})
	return r, result, err
}

func (h *hold) makeRegion(q Request) (*Region, error) {
	l, err := q.lay(h.maps)
	if err != nil {
		return nil, err
	}
	fd, err := h.makeFile()
	if err != nil {
		return nil, err
	}
	r, err := h.fillRegion(&l, fd, q.Share)
	if err == nil {
		r.FSBases = map[int]uint64{}
		for _, t := range h.stopped {
			r.FSBases[t.tid] = t.regs.Fs_base
		}
	}
	_, closeErr := h.call(unix.SYS_CLOSE, fd)
	if err = errors.Join(err, closeErr); err != nil {
		h.unmap(l.spans()[:l.mapped]) // what lies in the others is not ours
		return nil, err
	}
	return r, nil
}

// makeFile makes the memfd over there: who sees it may map it, whatever rights we have and the process has not.
func (h *hold) makeFile() (uint64, error) {
	if err := h.prepare(); err != nil {
		return 0, err
	}
	fd, err := h.call(unix.SYS_MEMFD_CREATE, h.gate.scratch, unix.MFD_CLOEXEC|memfdExec)
	if err == unix.EINVAL {
		fd, err = h.call(unix.SYS_MEMFD_CREATE, h.gate.scratch, unix.MFD_CLOEXEC)
	}
	switch {
	case err == unix.EACCES:
		return 0, diagnosis(script.NotPermitted, fmt.Sprintf("process %d may not make memory that can run code: vm.memfd_noexec is 2", h.PID), "set vm.memfd_noexec to 0 or 1", kernelHint)
	case err == unix.EMFILE, err == unix.ENFILE:
		return 0, diagnosis(NoRegion, fmt.Sprintf("process %d has as many files open as it may", h.PID), "raise its limit of open files", kernelHint)
	case err != nil:
		return 0, fmt.Errorf("process %d: memfd_create in its place: %w", h.PID, err)
	}
	return fd, nil
}

// fillRegion maps the file on both sides. Its journal is complete before the process maps it.
func (h *hold) fillRegion(l *layout, remote uint64, share *Region) (_ *Region, err error) {
	fd, err := h.fetch(int(remote))
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), regionName)
	keep := false
	defer func() {
		if !keep {
			file.Close()
		}
	}()
	if err := unix.Ftruncate(fd, int64(l.total)); err != nil {
		return nil, fmt.Errorf("region of %d bytes: %w", l.total, err)
	}
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, fmt.Errorf("region: %w", err)
	}
	local, err := unix.Mmap(fd, 0, int(l.total), writable, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("region of %d bytes: %w", l.total, err)
	}
	journal(local[:l.journal]).begin(h.self, info.Ino, l.spans())
	h.step("journal")
	if err := h.mapAreas(l, remote); err != nil {
		_ = unix.Munmap(local)
		return nil, err
	}
	r := l.region(local, info.Ino)
	if share != nil {
		if err := h.shareData(r, share); err != nil {
			_ = unix.Munmap(local)
			return nil, err
		}
	}
	if keep = share == nil || l.pads > 0; keep {
		r.File = file
	}
	return r, nil
}

// fetch gives us the process's own file.
func (h *hold) fetch(remote int) (int, error) {
	pidfd, err := unix.PidfdOpen(h.PID, 0)
	if err == nil {
		defer unix.Close(pidfd)
		var fd int
		if fd, err = unix.PidfdGetfd(pidfd, remote, 0); err == nil {
			return fd, nil
		}
	}
	fd, openErr := unix.Open(procFile(h.PID, "fd", strconv.Itoa(remote)), os.O_RDWR|unix.O_CLOEXEC, 0)
	if openErr != nil {
		return 0, fmt.Errorf("the region's file: %w", errors.Join(err, openErr))
	}
	return fd, nil
}

func (h *hold) mapAreas(l *layout, fd uint64) error {
	for i := range l.at {
		text, size := l.at[i], l.size[i]
		prot := uint64(runnable)
		if i == 0 {
			prot = readable
		}
		if err := h.mmap(l.at[i], size, prot, unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, fd, l.offset[i]); err != nil {
			return err
		}
		l.mapped++
		if l.pads > 0 {
			at := l.at[i] + size - l.pads
			if err := h.mmap(at, l.pads, runnable, unix.MAP_PRIVATE|unix.MAP_FIXED, fd, l.offset[i]+size-l.pads); err != nil {
				return err
			}
		}
		if i > 0 {
			continue
		}
		data, private := l.at[0]+l.journal, l.at[0]+l.journal+l.data
		text = private + l.private
		if l.data > 0 {
			if _, err := h.call(unix.SYS_MPROTECT, data, l.data, writable); err != nil {
				return h.notMapped(err)
			}
		}
		if l.private > 0 {
			if err := h.mmap(private, l.private, writable, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, noFile, 0); err != nil {
				return err
			}
			if _, err := h.call(unix.SYS_MADVISE, private, pageSize, unix.MADV_WIPEONFORK); err != nil {
				return h.notMapped(err)
			}
		}
		if _, err := h.call(unix.SYS_MPROTECT, text, l.at[0]+size-l.pads-text, runnable); err != nil {
			return h.notMapped(err)
		}
	}
	return nil
}

func (h *hold) mmap(at, size, prot, flags, fd, offset uint64) error {
	got, err := h.call(unix.SYS_MMAP, at, size, prot, flags, fd, offset)
	if err == nil && got != at {
		_, _ = h.call(unix.SYS_MUNMAP, got, size)
		err = unix.EEXIST // a kernel before 4.17 takes the address for a wish
	}
	if err != nil {
		return h.notMapped(err)
	}
	return nil
}

func (h *hold) notMapped(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return diagnosis(script.NotPermitted, fmt.Sprintf("process %d may not map shared memory that can run code: a security module forbids it", h.PID), "with SELinux: setsebool deny_execmem off", kernelHint)
	case errors.Is(err, unix.ENOMEM):
		return diagnosis(NoRegion, fmt.Sprintf("process %d may not map more memory", h.PID), "raise its limit of address space (ulimit -v)", kernelHint)
	}
	return fmt.Errorf("process %d: mmap in its place: %w", h.PID, err)
}

// unmap takes mappings back; one that is not there is no error.
func (h *hold) unmap(spans []Span) {
	for _, s := range spans {
		_, _ = h.call(unix.SYS_MUNMAP, s.Start, s.End-s.Start)
	}
}
