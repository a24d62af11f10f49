package kernel

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uprobePMU is where the kernel says how its uprobe event is opened.
const uprobePMU = "/sys/bus/event_source/devices/uprobe"

// perfUprobe opens uprobes as perf events: the road of kernels without uprobe_multi. Nothing of it has a name in tracefs,
// so a killed sonde leaves nothing behind.
type perfUprobe struct {
	kind   uint32 // perf_event_attr.type
	retBit uint64 // bit of config that asks for the return
	refCtr bool   // config has room for a semaphore, in its upper half
}

func newPerfUprobe() (*perfUprobe, error) {
	kind, err := readNumber(uprobePMU+"/type", "")
	if err != nil {
		return nil, err
	}
	bit, err := readNumber(uprobePMU+"/format/retprobe", "config:")
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(uprobePMU + "/format/ref_ctr_offset")
	return &perfUprobe{kind: uint32(kind), retBit: 1 << bit, refCtr: err == nil}, nil
}

// readNumber reads a decimal number from a file of sysfs or procfs.
func readNumber(path, prefix string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(text)), prefix), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// open arms one site for one process, or for all when pid is 0. The event counts on one CPU; its program runs on every one.
func (u *perfUprobe) open(path string, pid int, ret bool, s armSite) (int, error) {
	if s.refCtr != 0 && !u.refCtr {
		return -1, fmt.Errorf("semaphore of a static probe: %w", unix.EOPNOTSUPP)
	}
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	attr := unix.PerfEventAttr{
		Type: u.kind, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: s.refCtr << 32,
		Ext1: uint64(uintptr(unsafe.Pointer(name))), Ext2: s.offset,
	}
	if ret {
		attr.Config |= u.retBit
	}
	cpu := -1
	if pid == 0 {
		pid, cpu = -1, 0
	}
	fd, err := unix.PerfEventOpen(&attr, pid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	runtime.KeepAlive(name)
	return fd, err
}
