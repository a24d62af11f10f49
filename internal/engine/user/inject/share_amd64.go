package inject

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shareData puts the data of another region where a new one has room for them.
func (h *hold) shareData(r, from *Region) error {
	remote, err := h.hand(int(from.File.Fd()))
	if err != nil {
		return err
	}
	err = h.mmap(r.Data.Addr, r.Data.Size, writable, unix.MAP_SHARED|unix.MAP_FIXED, remote, uint64(len(from.journal)))
	_, closeErr := h.call(unix.SYS_CLOSE, remote)
	r.Data.Local = from.Data.Local
	return errors.Join(err, closeErr)
}

// hand gives the process a file of ours. Where it might look into us, as root or as the same user without rights of our own, it opens the file
// in /proc; else it gets it through a socket.
func (h *hold) hand(fd int) (uint64, error) {
	path := append([]byte(procFile(os.Getpid(), "fd", fmt.Sprint(fd))), 0)
	if err := h.write(h.gate.scratch, path); err != nil {
		return 0, err
	}
	remote, err := h.call(unix.SYS_OPENAT, atFDCWD, h.gate.scratch, unix.O_RDWR|unix.O_CLOEXEC)
	if err != nil {
		remote, err = h.pass(fd)
	}
	if err != nil {
		return 0, diagnosis(Apart, fmt.Sprintf("process %d (%s) may not share sonde's memory: %v", h.PID, commOf(h.PID), err), "observe it by itself: -p "+fmt.Sprint(h.PID))
	}
	return remote, nil
}

// Message to receive a file with, at the start of the scratch memory (struct msghdr, iovec, cmsghdr; recvmsg(2), cmsg(3)).
const (
	messageVector  = 64
	messageControl = 80
	messageByte    = 112
	messageSize    = 128
	controlSize    = 24
)

// pass sends a file through a socket of the process that both of us have: we send it to the socket itself, from where the process takes it.
func (h *hold) pass(fd int) (uint64, error) {
	remote, err := h.call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	file, err := h.receive(remote, fd)
	_, closeErr := h.call(unix.SYS_CLOSE, remote)
	return file, errors.Join(err, closeErr)
}

func (h *hold) receive(remote uint64, fd int) (uint64, error) {
	ours, err := h.fetch(int(remote))
	if err != nil {
		return 0, err
	}
	defer unix.Close(ours)
	if err := unix.Bind(ours, &unix.SockaddrUnix{}); err != nil { // to a name that the kernel chooses
		return 0, err
	}
	to, err := unix.Getsockname(ours)
	if err == nil {
		err = unix.Sendmsg(ours, []byte{0}, unix.UnixRights(fd), to, unix.MSG_DONTWAIT)
	}
	if err != nil {
		return 0, err
	}
	le, at := binary.LittleEndian, h.gate.scratch
	message := make([]byte, messageSize)
	le.PutUint64(message[16:], at+messageVector)
	le.PutUint64(message[24:], 1)
	le.PutUint64(message[32:], at+messageControl)
	le.PutUint64(message[40:], controlSize)
	le.PutUint64(message[messageVector:], at+messageByte)
	le.PutUint64(message[messageVector+8:], 1)
	if err := h.write(at, message); err != nil {
		return 0, err
	}
	if _, err := h.call(unix.SYS_RECVMSG, remote, at, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT); err != nil {
		return 0, err
	}
	if err := h.read(at, message); err != nil {
		return 0, err
	}
	control := message[messageControl:]
	if le.Uint64(control) < controlSize-4 || le.Uint32(control[12:]) != unix.SCM_RIGHTS {
		return 0, unix.EMFILE
	}
	return uint64(le.Uint32(control[16:])), nil
}

// atFDCWD is AT_FDCWD as a system call takes it.
const atFDCWD = ^uint64(99)

// NewData makes data that regions share, in no process yet.
func NewData(size uint64) (*Region, error) {
	size = pages(size)
	fd, err := unix.MemfdCreate(regionName, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	local, err := newData(fd, size)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("shared memory of %d bytes: %w", size, err)
	}
	// A page lies before them, as what begins such a file is a journal.
	return &Region{Data: Area{Size: size, Local: local[pageSize:]}, local: local, journal: journal(local[:pageSize]), File: os.NewFile(uintptr(fd), regionName)}, nil
}

func newData(fd int, size uint64) ([]byte, error) {
	if err := unix.Ftruncate(fd, int64(pageSize+size)); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, int(pageSize+size), writable, unix.MAP_SHARED)
}
