package kernel

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The calls of bpf(2) whose exact errno decides what happens next, or whose buffers we want to own. Layouts are those of
// union bpf_attr in include/uapi/linux/bpf.h; everything else goes through cilium/ebpf.

// namePrefix begins the name of every program and map of ours, as bpftool shows it.
const namePrefix = "sonde_"

// Values of enum bpf_attach_type and of link_create.uprobe_multi.flags.
const (
	attachPerfEvent    = 41
	attachUprobeMulti  = 48
	attachSession      = 57
	flagMultiReturn    = 1
	bpfLinkCreate      = unix.BPF_LINK_CREATE
	bpfMapLookupBatch  = unix.BPF_MAP_LOOKUP_BATCH
	bpfMapLookupDelete = unix.BPF_MAP_LOOKUP_AND_DELETE_BATCH
)

// bpf makes the call and gives a file descriptor or 0. attr must not hold Go pointers that nothing else keeps alive.
func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EAGAIN, unix.EINTR: // a signal met the verifier or the registration
			continue
		}
		return -1, errno
	}
}

// multiLink is what one uprobe_multi link is made of.
type multiLink struct {
	prog    int
	path    string
	pid     uint32 // 0: every process
	ret     bool
	session bool // the program runs at entries and at returns
	offsets []uint64
	cookies []uint64
	refCtrs []uint64 // nil: no semaphores
}

// linkMulti creates a uprobe_multi link.
func linkMulti(l multiLink) (int, error) {
	path, err := unix.BytePtrFromString(l.path)
	if err != nil {
		return -1, err
	}
	attr := struct {
		prog, target, attachType, linkFlags uint32
		path, offsets, refCtrs, cookies     unsafe.Pointer
		count, flags, pid                   uint32
		_                                   uint32
	}{
		prog: uint32(l.prog), attachType: attachUprobeMulti, path: unsafe.Pointer(path),
		offsets: first(l.offsets), refCtrs: first(l.refCtrs), cookies: first(l.cookies),
		count: uint32(len(l.offsets)), pid: l.pid,
	}
	if l.ret {
		attr.flags = flagMultiReturn
	}
	if l.session {
		attr.attachType = attachSession
	}
	fd, err := bpf(bpfLinkCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(l)
	return fd, err
}

// linkPerf ties a program to an open perf event, with a cookie.
func linkPerf(prog, event int, cookie uint64) (int, error) {
	attr := struct {
		prog, event, attachType, flags uint32
		cookie                         uint64
	}{prog: uint32(prog), event: uint32(event), attachType: attachPerfEvent, cookie: cookie}
	return bpf(bpfLinkCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}

// batch is one step of a walk over a map: as many entries as the buffers hold.
type batch struct {
	in, out      []byte // cursors; in is nil at the start
	keys, values []byte
	count        uint32
}

// lookupBatch fills b and sets its count. ENOENT means that the map ends here; what was filled counts.
func lookupBatch(cmd, fd int, b *batch) error {
	attr := struct {
		in, out, keys, values unsafe.Pointer
		count, fd             uint32
		elemFlags, flags      uint64
	}{
		in: first(b.in), out: first(b.out), keys: first(b.keys), values: first(b.values),
		count: b.count, fd: uint32(fd),
	}
	_, err := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(b)
	b.count = attr.count
	return err
}

func first[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// trial is a program that is loaded only to learn whether the kernel takes it.
type trial struct {
	kind       ebpf.ProgramType
	attachType uint32
	flags      uint32
	code       asm.Instructions
}

// load gives the program's descriptor, without a log.
func (t trial) load() (int, error) {
	var code bytes.Buffer
	if err := t.code.Marshal(&code, binary.LittleEndian); err != nil { // as all machines that sonde knows are
		return -1, err
	}
	return loadRaw(t, code.Bytes())
}

// loadRaw loads encoded instructions: those of t, or some that the assembler does not know.
func loadRaw(t trial, code []byte) (int, error) {
	license := []byte("GPL\x00")
	attr := struct {
		kind, count             uint32
		code, license           unsafe.Pointer
		logLevel, logSize       uint32
		log                     uint64
		version, flags          uint32
		name                    [16]byte
		ifindex, wantAttachType uint32
	}{
		kind: uint32(t.kind), count: uint32(len(code) / asm.InstructionSize), code: first(code), license: first(license),
		flags: t.flags, wantAttachType: t.attachType,
	}
	copy(attr.name[:], namePrefix+"try")
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(code)
	return fd, err
}

// loads reports whether the kernel takes the program.
func (t trial) loads() bool {
	fd, err := t.load()
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// createMap makes a map of unnamed types and gives its descriptor.
func createMap(kind ebpf.MapType, key, value, entries uint32) (int, error) {
	attr := struct{ kind, key, value, entries, flags uint32 }{uint32(kind), key, value, entries, 0}
	return bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}

// runOnce runs a loaded program once on this thread and gives what it returned.
func runOnce(fd int) (uint32, error) {
	attr := struct {
		prog, result, sizeIn, sizeOut uint32
		in, out                       uint64
		repeat, duration              uint32
		ctxSizeIn, ctxSizeOut         uint32
		ctxIn, ctxOut                 uint64
		flags, cpu, batch, _          uint32
	}{prog: uint32(fd)}
	_, err := bpf(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return attr.result, err
}

// openRawTracepoint runs a program at a tracepoint for as long as the descriptor is open.
func openRawTracepoint(name string, prog int) (int, error) {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	attr := struct {
		name    unsafe.Pointer
		prog, _ uint32
	}{name: unsafe.Pointer(text), prog: uint32(prog)}
	return bpf(unix.BPF_RAW_TRACEPOINT_OPEN, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}
