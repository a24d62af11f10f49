package target

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/symbol"
)

// attach lets the kernel place a probe at the start of a function of an object.
func attach(t *testing.T, o Object, function string) error {
	t.Helper()
	file, err := symbol.Open(o.Open)
	if err != nil {
		return err
	}
	defer file.Close()
	found, err := file.Find(symbol.Pattern{Text: function})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: no %s: %v", o.Open, function, err)
	}
	offset, err := file.Offset(found[0].Addr)
	if err != nil {
		return err
	}
	text, err := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	if err != nil {
		t.Fatal(err)
	}
	kind, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	path, err := unix.BytePtrFromString(o.Open)
	if err != nil {
		t.Fatal(err)
	}
	attr := unix.PerfEventAttr{Type: uint32(kind), Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Ext1: uint64(uintptr(unsafe.Pointer(path))), Ext2: uint64(offset)}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func TestTheKernelAttachesToWhatOpenNames(t *testing.T) {
	fixture.NeedRoot(t)
	idlePath := fixture.Build(t, "c/idle.c")
	plain, _ := idle(t, exec.Command(idlePath))
	moved := copyFile(t, idlePath, filepath.Join(t.TempDir(), "idle"))
	deleted, _ := idle(t, exec.Command(moved))
	if err := os.Remove(moved); err != nil {
		t.Fatal(err)
	}
	libz, err := FindLibrary("libz.so.1")
	if err != nil {
		t.Fatal(err)
	}
	copied := copyFile(t, libz.Open, filepath.Join(t.TempDir(), "libz.so.1"))
	replaced, _ := idle(t, exec.Command(idlePath, copied))
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		process           *Process
		library, function string
	}{
		"a program": {plain, "", "main"}, "a deleted program": {deleted, "", "main"},
		"a library": {plain, "libc", "getpid"}, "a deleted library": {replaced, "libz", "zlibVersion"},
	} {
		objects, err := c.process.Objects()
		if err != nil {
			t.Fatal(err)
		}
		o := objects[0]
		if c.library != "" {
			if o, err = c.process.Library(c.library); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
		}
		if err := attach(t, o, c.function); err != nil {
			t.Errorf("%s: %+v: %v", name, o, err)
		}
	}
}
