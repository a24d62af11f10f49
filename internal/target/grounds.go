package target

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/script"
)

// NoProc: /proc does not tell of our processes.
const NoProc script.Code = "no-proc"

// HasProc says why nothing can be learned of processes and of our own rights.
func HasProc() error {
	var kind unix.Statfs_t
	if err := unix.Statfs("/proc", &kind); err == nil && kind.Type == unix.PROC_SUPER_MAGIC {
		return nil
	}
	return diagnosis(NoProc, "/proc is not mounted here: it tells which processes there are and what they map", "mount -t proc proc /proc")
}

// OwnProc is HasProc, and refuses a /proc whose process IDs are not ours: it would tell of other processes of the same numbers.
func OwnProc() error {
	to, err := os.Readlink("/proc/self")
	if err == nil && to == strconv.Itoa(os.Getpid()) {
		return nil
	}
	if err := HasProc(); err != nil {
		return err
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // it is there, and will be asked again
	}
	return diagnosis(NoProc, "/proc tells of another PID namespace than the one that sonde runs in: its numbers mean other processes",
		"mount -t proc proc /proc, in a mount namespace of one's own (unshare --mount-proc)")
}
