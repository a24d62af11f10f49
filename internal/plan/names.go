package plan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
)

// errnoName is the C name of an error number, "" when it has none.
func errnoName(n int64) string {
	if n <= 0 || n > 4095 { // MAX_ERRNO, include/linux/err.h
		return ""
	}
	return unix.ErrnoName(syscall.Errno(n))
}

func signalName(n int64) string {
	if n <= 0 || n > 64 {
		return ""
	}
	return unix.SignalName(syscall.Signal(n))
}

func octal(n uint64) string { return "0" + strconv.FormatUint(n, 8) }

func hexadecimal(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

func padHex(n uint64) string { return fmt.Sprintf("%016x", n) }

// errno names the error of a call whose result says that it failed; see ctype.Signature.Fails. Without a slot for errno
// only a result that is the error number itself tells it.
func (r *record) errno(shape *Shape, result *event.Value) string {
	if shape.Errno == "" || result.Problem != "" {
		return ""
	}
	n := int64(result.Bits())
	failed := false
	switch shape.Errno {
	case "negative":
		failed = n < 0
	case "null":
		failed = n == 0
	case "nonzero":
		failed = n != 0
	case "eof":
		failed = n == -1
	}
	if !failed {
		return ""
	}
	if shape.ErrnoSlot < 0 {
		if shape.Errno == "nonzero" {
			return errnoName(n)
		}
		return ""
	}
	g := r.slot(shape.ErrnoSlot)
	return errnoName(int64(int32(g.number())))
}

// sockaddr reads a struct sockaddr by its family. Source: bits/socket.h, netinet/in.h, sys/un.h.
func sockaddr(b []byte) event.Value {
	if len(b) < 2 {
		return event.Missing(event.Cut, 0)
	}
	v := event.Value{Kind: event.KindAddress}
	switch family := int(b[0]) | int(b[1])<<8; {
	case family == unix.AF_UNIX:
		v.Str = unixAddress(b[2:])
	case family == unix.AF_INET && len(b) >= 8:
		v.Str = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), bigEndian16(b[2:])).String()
	case family == unix.AF_INET6 && len(b) >= 24:
		v.Str = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), bigEndian16(b[2:])).String()
	case family == unix.AF_NETLINK && len(b) >= 8:
		v.Str = fmt.Sprintf("netlink:%d", uint32(b[4])|uint32(b[5])<<8|uint32(b[6])<<16|uint32(b[7])<<24)
	case family == unix.AF_UNSPEC:
		v.Str = "AF_UNSPEC"
	default:
		v.Str = fmt.Sprintf("family %d", family)
	}
	return v
}

func bigEndian16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// unixAddress is a path, or a name in the abstract space, which begins with a NUL and is written with "@".
func unixAddress(path []byte) string {
	if len(path) > 1 && path[0] == 0 && path[1] != 0 {
		return "@" + strings.ToValidUTF8(string(beforeNUL(path[1:])), "?")
	}
	name := string(beforeNUL(path))
	if name == "" {
		return "unix:"
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}
