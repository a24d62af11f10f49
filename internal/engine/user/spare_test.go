package user

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/resolve"
)

// A run that ended with as many files open as it may have left the process with its jumps, and said nothing of that.
func TestAProcessIsLeftWholeWithAllFilesTaken(t *testing.T) {
	r := enginetest.Start(t, fixture.Build(t, "command/replace.c", "-pthread"))
	r.Line()
	s, err := NewSurvey().Open(r.Plan("uprobe:PROGRAM:step { @ = count(); }", resolve.ReturnSites))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.looks = false // who does has files that are closed before the process is left
	if refused, err := s.Arm(); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	r.Number("call 100")
	free := takeFiles(t)
	s.Disarm()
	free()
	for _, note := range s.Notes() {
		t.Error(note)
	}
	if maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.PID)); err != nil || strings.Contains(string(maps), "memfd:sonde") {
		t.Errorf("%v\n%s", err, maps)
	}
	r.Number("call 100")
	if counts, err := s.Counts(); err != nil || counts.Hits() != 100 {
		t.Errorf("%+v, %v", counts, err)
	}
	r.Finish()
}

// takeFiles opens all the files that this process may, until the function that it gives is called.
func takeFiles(t *testing.T) (free func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	last := 0 // what is open has its number below the limit, for one above it cannot be had again
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil {
			last = max(last, fd)
		}
	}
	var taken []int
	free = func() {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
		for _, fd := range taken {
			unix.Close(fd)
		}
		taken = nil
	}
	t.Cleanup(free)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(last) + 1, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	for {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err == unix.EMFILE {
			return free
		}
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, fd)
	}
}
