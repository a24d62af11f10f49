package tracefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/script"
)

// folder is a folder of tracefs.
type folder string

// mounts are where distributions mount tracefs.
func mounts() []string { return []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} }

// mounted is a tracefs to work with. Where none is mounted it is one of our own that has no place in any namespace: a file
// descriptor, gone when closed.
type mounted struct {
	folder
	fd int // -1: mounted by others
}

func mount() (*mounted, error) {
	for _, at := range mounts() {
		switch _, err := os.Stat(filepath.Join(at, "uprobe_events")); {
		case err == nil:
			return &mounted{folder(at), -1}, nil
		case errors.Is(err, os.ErrPermission): // it is there, for others
			return nil, notPermitted(err)
		}
	}
	fd, err := detached()
	if err != nil {
		return nil, &script.Diagnostic{Code: codeNoTracefs, Message: "tracefs is not mounted: " + err.Error(),
			Hints: []string{"sudo mount -t tracefs tracefs /sys/kernel/tracing"}}
	}
	m := &mounted{folder(fmt.Sprintf("/proc/self/fd/%d", fd)), fd}
	if _, err := os.Stat(m.path("uprobe_events")); err != nil {
		m.close()
		return nil, &script.Diagnostic{Code: codeNoTracefs, Message: "this kernel's tracefs has no uprobes (CONFIG_UPROBE_EVENTS)"}
	}
	return m, nil
}

// detached makes a mount that nothing but the file descriptor leads to (Linux 5.2).
func detached() (int, error) {
	fs, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

func (m *mounted) close() error {
	if m == nil || m.fd < 0 {
		return nil
	}
	fd := m.fd
	m.fd = -1
	return unix.Close(fd)
}

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f folder) in(parts ...string) folder { return folder(f.path(parts...)) }

// write writes to a control file: what it says takes the place of what was there.
func (f folder) write(name, text string) error { return f.put(name, text, os.O_TRUNC) }

// add writes to a control file whose lines stay.
func (f folder) add(name, text string) error { return f.put(name, text, os.O_APPEND) }

func (f folder) put(name, text string, flag int) error {
	file, err := os.OpenFile(f.path(name), os.O_WRONLY|flag, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

func (f folder) read(name string) string {
	text, _ := os.ReadFile(f.path(name))
	return string(text)
}

func (f folder) lines(name string) []string {
	return strings.FieldsFunc(f.read(name), func(r rune) bool { return r == '\n' })
}

// Codes of this engine's diagnostics.
const (
	codeNoTracefs    script.Code = "no-tracefs"
	codeNotPermitted script.Code = "not-permitted"
)

// Available says why this process cannot use the engine; nil when it can.
func Available() error {
	m, err := mount()
	if err != nil {
		return err
	}
	defer m.close()
	return m.permitted()
}

// permitted asks whether uprobes may be defined, and whose thread numbers events carry.
func (f folder) permitted() error {
	file, err := os.OpenFile(f.path("uprobe_events"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return notPermitted(err)
	}
	file.Close()
	if !initialPIDNamespace() {
		return &script.Diagnostic{Code: codeNotPermitted, Message: "the events of tracefs number threads as the initial PID namespace does, and this is another",
			Hints: []string{"run sonde outside the container"}}
	}
	return nil
}

// initialPIDNamespace: the kernel gives the first namespaces fixed numbers (include/linux/proc_ns.h, PROC_PID_INIT_INO).
func initialPIDNamespace() bool {
	const number = 0xEFFFFFFC
	info, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Ino == number
}

func notPermitted(err error) error {
	if !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("tracefs: %w", err)
	}
	return &script.Diagnostic{Code: codeNotPermitted, Message: "not permitted to define uprobes in tracefs",
		Hints: []string{"run sonde as root, or with CAP_DAC_OVERRIDE"}}
}
