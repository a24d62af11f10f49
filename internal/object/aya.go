package object

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
)

// A record of aya-log is a list of fields {u8 tag, u16 length, bytes}: first the six of its head, then arguments, whose texts put one after
// the other are the line. A display hint says how the next argument is written. Two forms are in use: of aya-log 0.2, in a perf event
// array, with head tags from 1 on, and of aya-log 0.3, in a ring buffer, with tags from 0 on behind a u16 that is the length of it all.
// Source: aya-log-common/src/lib.rs of those releases.
const (
	ayaTarget = iota
	ayaLevel
	ayaModule
	ayaFile
	ayaLineNumber
	ayaCount
	ayaHead
)

// Tags of arguments.
const (
	ayaHint = iota
	ayaI8
	ayaI16
	ayaI32
	ayaI64
	ayaIsize
	ayaU8
	ayaU16
	ayaU32
	ayaU64
	ayaUsize
	ayaF32
	ayaF64
	ayaIPv4
	ayaIPv6
	ayaBytes4
	ayaBytes6
	ayaBytes16
	ayaWords8
	ayaBytes
	ayaStr
	ayaPointer
)

// Display hints.
const (
	hintLowerHex = 2
	hintUpperHex = 3
	hintIP       = 4
	hintUpperMAC = 6
)

// ayaLevels are aya's levels, from 1 on.
var ayaLevels = [...]string{"", "error", "warn", "info", "debug", "trace"}

var errAyaShort = errors.New("record of aya-log: it ends within a field")

// ayaLine decodes a record.
func ayaLine(b []byte, perf bool) (*event.Log, error) {
	first := byte(1)
	if !perf {
		if len(b) < 2 {
			return nil, errAyaShort
		}
		n := int(binary.LittleEndian.Uint16(b))
		if n < 2 || n > len(b) {
			return nil, errAyaShort
		}
		b, first = b[2:n], 0
	}
	out := &event.Log{Source: "aya-log", Time: time.Now()}
	count := 0
	for range ayaHead {
		tag, value, rest, err := ayaField(b)
		if err != nil {
			return nil, err
		}
		b = rest
		switch tag - first {
		case ayaTarget:
			out.Target = string(value)
		case ayaLevel:
			if len(value) == 1 && int(value[0]) < len(ayaLevels) {
				out.Level = ayaLevels[value[0]]
			}
		case ayaModule:
		case ayaFile:
			out.File = string(value)
		case ayaLineNumber:
			out.Line = int(unsigned(value))
		case ayaCount:
			count = int(unsigned(value))
		default:
			return nil, fmt.Errorf("record of aya-log: unknown field %d", tag)
		}
	}
	text, err := ayaText(b, count)
	out.Text = text
	return out, err
}

func ayaField(b []byte) (tag byte, value, rest []byte, err error) {
	if len(b) < 3 {
		return 0, nil, nil, errAyaShort
	}
	n := int(binary.LittleEndian.Uint16(b[1:]))
	if len(b) < 3+n {
		return 0, nil, nil, errAyaShort
	}
	return b[0], b[3:][:n], b[3+n:], nil
}

// ayaText puts arguments one after the other.
func ayaText(b []byte, count int) (string, error) {
	var out strings.Builder
	hint := byte(0)
	for range count {
		tag, value, rest, err := ayaField(b)
		if err != nil {
			return out.String(), err
		}
		b = rest
		if tag == ayaHint && len(value) == 1 {
			hint = value[0]
			continue
		}
		text, err := ayaArgument(tag, value, hint)
		if err != nil {
			return out.String(), err
		}
		out.WriteString(text)
		hint = 0
	}
	return out.String(), nil
}

// ayaSizes are the sizes of arguments that have one.
var ayaSizes = map[byte]int{ayaI8: 1, ayaI16: 2, ayaI32: 4, ayaI64: 8, ayaIsize: 8, ayaU8: 1, ayaU16: 2, ayaU32: 4, ayaU64: 8, ayaUsize: 8,
	ayaF32: 4, ayaF64: 8, ayaIPv4: 4, ayaIPv6: 16, ayaBytes4: 4, ayaBytes6: 6, ayaBytes16: 16, ayaWords8: 16, ayaPointer: 8}

func ayaArgument(tag byte, v []byte, hint byte) (string, error) {
	if size, fixed := ayaSizes[tag]; fixed && size != len(v) {
		return "", fmt.Errorf("record of aya-log: argument of kind %d has %d bytes, not %d", tag, len(v), size)
	}
	switch {
	case tag >= ayaI8 && tag <= ayaUsize:
		return ayaNumber(tag, v, hint), nil
	case tag == ayaF32:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(unsigned(v)))), 'f', -1, 32), nil
	case tag == ayaF64:
		return strconv.FormatFloat(math.Float64frombits(unsigned(v)), 'f', -1, 64), nil
	case tag == ayaPointer:
		return "0x" + strconv.FormatUint(unsigned(v), 16), nil
	case tag == ayaStr:
		return string(v), nil
	case tag == ayaBytes6:
		text := ayaMAC(v)
		if hint == hintUpperMAC {
			text = strings.ToUpper(text)
		}
		return text, nil
	case tag == ayaBytes && hint == hintUpperHex:
		return strings.ToUpper(hex.EncodeToString(v)), nil
	case tag == ayaBytes:
		return hex.EncodeToString(v), nil
	case tag == ayaWords8: // numbers of the machine, most significant group first
		var b [16]byte
		for i := range 8 {
			b[2*i], b[2*i+1] = v[2*i+1], v[2*i]
		}
		return netip.AddrFrom16(b).String(), nil
	case tag >= ayaIPv4 && tag <= ayaBytes16:
		address, _ := netip.AddrFromSlice(v)
		return address.String(), nil
	}
	return "", fmt.Errorf("record of aya-log: unknown argument of kind %d", tag)
}

// ayaNumber writes a whole number as its hint says; hexadecimal shows the bits of negative ones.
func ayaNumber(tag byte, v []byte, hint byte) string {
	bits := unsigned(v)
	switch {
	case hint == hintLowerHex:
		return strconv.FormatUint(bits, 16)
	case hint == hintUpperHex:
		return strings.ToUpper(strconv.FormatUint(bits, 16))
	case hint == hintIP && tag == ayaU32: // the address as a number: its first octet is the highest
		return netip.AddrFrom4([4]byte{v[3], v[2], v[1], v[0]}).String()
	case tag <= ayaIsize:
		shift := 64 - 8*len(v)
		return strconv.FormatInt(int64(bits<<shift)>>shift, 10)
	}
	return strconv.FormatUint(bits, 10)
}

func ayaMAC(v []byte) string {
	parts := make([]string, len(v))
	for i, b := range v {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}

// unsigned reads a number of at most 8 bytes.
func unsigned(b []byte) (n uint64) {
	for i := range min(len(b), 8) {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}
