package site

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A process gets an "[uprobes]" mapping when the kernel first executes one of its instructions out of line. So whether
// the mapping is there after a probed instruction ran tells exactly whether the kernel emulated it. The mapping stays:
// every instruction has a process of its own, this test's binary started again with SITE_STUB naming the bytes.

func TestMain(m *testing.M) {
	if stub := os.Getenv("SITE_STUB"); stub != "" {
		answer, err := probeStub(stub)
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Print(answer)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// probeStub maps a file with the given bytes (hexadecimal) followed by ret, arms a probe at its start, calls it and
// says "emulated", "stepped" or "refused".
func probeStub(stub string) (string, error) {
	runtime.LockOSThread() // the probe is this thread's
	var code []byte
	if _, err := fmt.Sscanf(stub, "%x", &code); err != nil {
		return "", err
	}
	page := make([]byte, 4096)
	for i := range page {
		page[i] = 0xc3
	}
	copy(page[64:], code)
	file, err := os.CreateTemp("", "stub")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(page); err != nil {
		return "", err
	}
	mapped, err := unix.Mmap(int(file.Fd()), 0, len(page), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return "", err
	}
	if before, err := os.ReadFile("/proc/self/maps"); err != nil || strings.Contains(string(before), "[uprobes]") {
		return "disturbed", err // by a probe of another process that observes everybody
	}
	fd, err := armUprobe(file.Name(), 64, unix.Gettid(), -1)
	if err == unix.Errno(524) || err == unix.ENOTSUP {
		return "refused", nil
	}
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	entry := unsafe.Pointer(&mapped[64])
	call := unsafe.Pointer(&entry)
	(*(*func())(unsafe.Pointer(&call)))()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return "", err
	}
	if hits := readCount(fd); hits != 1 {
		return "", fmt.Errorf("%d hits for one call", hits)
	}
	if strings.Contains(string(maps), "[uprobes]") {
		return "stepped", nil
	}
	return "emulated", nil
}

// armUprobe opens a counting uprobe on a file offset, for one process or one CPU.
func armUprobe(path string, offset uint64, pid, cpu int) (int, error) {
	text, err := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	if err != nil {
		return -1, err
	}
	kind, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1, err
	}
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	attr := unix.PerfEventAttr{Type: uint32(kind), Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Ext1: uint64(uintptr(unsafe.Pointer(name))), Ext2: offset}
	return unix.PerfEventOpen(&attr, pid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
}

func readCount(fd int) uint64 {
	var buf [8]byte
	if n, err := unix.Read(fd, buf[:]); err != nil || n != 8 {
		return 0
	}
	return *(*uint64)(unsafe.Pointer(&buf))
}

func TestTheCostTableIsTheKernels(t *testing.T) {
	fixture.NeedRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	busy := make(chan struct{}, runtime.NumCPU())
	for _, c := range kernelCases {
		in, err := decodeOne([]byte(c.bytes), 0)
		if err != nil {
			t.Errorf("% x: %v", c.bytes, err)
			continue
		}
		want := in.Cost().String()
		switch {
		case ours[c.want] != "":
			if in.refusal() != ours[c.want] {
				t.Errorf("% x %s: refusal %q", c.bytes, in.Text(), in.refusal())
			}
			continue
		case in.refusal() != "":
			want = "refused"
		}
		busy <- struct{}{}
		wait.Go(func() {
			defer func() { <-busy }()
			out, err := askKernel(self, c.bytes, want)
			if err != nil || string(out) != want || want != c.want {
				t.Errorf("% x %s: kernel says %q %v, Cost %q, the case %q", c.bytes, in.Text(), out, err, want, c.want)
			}
		})
	}
	wait.Wait()
}

// askKernel gives the kernel's answer. Probes of others that observe every process, as other tests arm them, can leave the mark of a step
// in ours: an answer other than the expected one is asked for again, and a wrong expectation never comes true by that.
func askKernel(self, code, want string) (out []byte, err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("SITE_STUB=%x", code))
		if out, err = cmd.CombinedOutput(); err == nil && string(out) == want {
			return out, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return out, err
}

// ours are refusals of what kernels take, and what follows from it.
var ours = map[string]string{"misread": misread, "called": called, "unreturned": unreturned, "flagged": flagged}

// kernelCases: "misread" is what Linux 6.18 "emulates" as a jump or nop, so that the program's own instruction never
// runs; xchg %r8,%rax for one. They are instructions that leave a called stub harmless, whatever comes first: each is followed by ret.
var kernelCases = []struct{ bytes, want string }{
	{"\x90", "emulated"},
	{"\x66\x90", "emulated"},
	{"\xf3\x90", "emulated"},
	{"\x0f\x1f\x00", "emulated"},
	{"\x0f\x1f\x44\x00\x00", "called"},
	{"\x66\x0f\x1f\x44\x00\x00", "emulated"},
	{"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", "refused"},
	{"\x50\x58", "emulated"},
	{"\x55\x5d", "emulated"},
	{"\x41\x54\x41\x5c", "emulated"},
	{"\x48\x55\x5d", "stepped"},
	{"\x66\x55\x66\x5d", "stepped"},
	{"\x6a\x01\x58", "stepped"},
	{"\xeb\x00", "emulated"},
	{"\xe9\x00\x00\x00\x00", "emulated"},
	{"\x74\x00", "emulated"},
	{"\x0f\x84\x00\x00\x00\x00", "emulated"},
	{"\xe8\x00\x00\x00\x00\x58", "emulated"},
	{"\x66\xe9\x00\x00\x00\x00", "refused"},
	{"\xe3\x00", "stepped"},
	{"\xf3\x0f\x1e\xfa", "stepped"},
	{"\xc3", "stepped"},
	{"\xf3\xc3", "stepped"},
	{"\x48\x89\xc0", "stepped"},
	{"\x48\x83\xec\x08\x48\x83\xc4\x08", "stepped"},
	{"\x48\x8d\x40\x00", "stepped"},
	{"\xf0\x48\x83\x0c\x24\x00", "refused"},
	{"\x3e\x48\x8b\x04\x24", "refused"},
	{"\x64\x48\x8b\x04\x25\x00\x00\x00\x00", "stepped"},
	{"\xcc", "refused"},
	{"\xf4", "refused"},
	{"\x0f\xa2", "stepped"},
	{"\x0f\x05", "unreturned"},
	{"\x0f\x34", "unreturned"},
	{"\x9c\x58", "flagged"},
	{"\x66\x9c\x66\x58", "flagged"},
	{"\x48\x9c\x58", "flagged"},
	{"\xc5\xf8\x77", "misread"},
	{"\xc5\xf9\xef\xc0", "refused"},
	{"\xc5\xf9\x6f\xc0", "refused"},
	{"\xc5\xf9\x7f\xc0", "misread"},
	{"\xc5\xf9\xeb\xc0", "misread"},
	{"\xc5\xf8\x28\xc0", "stepped"},
	{"\x49\x90", "misread"},
}
