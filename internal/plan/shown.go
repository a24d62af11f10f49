package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
)

// Shown says what a number, or a tuple of numbers, stands for where it is printed. It travels and is kept like any other.
type Shown uint8

const (
	ShownPlain Shown = iota
	ShownTime        // IntType: nanoseconds of the monotonic clock, written by Type.Format
	ShownError       // IntType: the C library's text for a number of errno
	// ShownInet is a TupleType of three u64: the address family, and the address as 16 bytes in the order that memory has them, of which
	// IPv4 takes the first four.
	ShownInet
)

// InetType is the type of ntop().
func InetType() Type {
	word := Type{Kind: IntType, Size: 8}
	return Type{Kind: TupleType, Size: 24, Elems: []Type{word, word, word}, Shown: ShownInet}
}

// shown gives what stands for a value of such a type.
func (d *Decoder) shown(t Type, b []byte) event.Value {
	word := binary.LittleEndian.Uint64(b)
	switch t.Shown {
	case ShownTime:
		return event.String(strftime(t.Format, d.clock.At(word)))
	case ShownError:
		return event.String(errorText(int32(word)))
	}
	if len(b) < 24 {
		return event.Missing(event.Lost, 0)
	}
	switch word {
	case unix.AF_INET:
		return event.String(netip.AddrFrom4([4]byte(b[8:12])).String())
	case unix.AF_INET6:
		return event.String(inet6(netip.AddrFrom16([16]byte(b[8:24]))))
	}
	return event.String(fmt.Sprintf("family %d", word))
}

// inet6 writes an address as inet_ntop does: those that hold an IPv4 address end as such (::1.2.3.4 too).
func inet6(a netip.Addr) string {
	b := a.As16()
	compatible := [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0)
	if compatible {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

// errorText is what strerror says of a number: Go's table has its texts, with their first letter made small.
func errorText(n int32) string {
	text := syscall.Errno(uint32(n)).Error()
	switch {
	case n == 0:
		return "Success"
	case syscall.Errno(n) == unix.EHWPOISON: // which it lacks
		return "Memory page has hardware error"
	case n < 0 || strings.HasPrefix(text, "errno "):
		return fmt.Sprintf("Unknown error %d", n)
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
