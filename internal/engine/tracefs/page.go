package tracefs

import (
	"encoding/binary"
	"errors"
)

// A page of trace_pipe_raw (events/header_page, events/header_event, include/linux/ring_buffer.h):
//
//	+0   u64 time of the first event
//	+8   u64 commit: bytes of data in its lower 20 bits, flags above
//	+16  events, each
//	     u32 type (5 bits), time since the event before (27 bits)
//	     u32 array[]
//
// By type: 1 to 28, that many words of data; 0, array[0] bytes of it, counted with array[0]; 29, nothing; 30, more time; 31, the time.
const (
	pageHeader = 16
	commitMask = 1<<20 - 1

	typeBits     = 5
	typePadding  = 29
	typeExtend   = 30
	typeAbsolute = 31
	deltaBits    = 27
	absoluteMask = 1<<59 - 1
)

var errPage = errors.New("tracefs: a page of events that is none")

// eachEvent calls fn for every event of a page, with its time.
func eachEvent(page []byte, fn func(time uint64, record []byte)) error {
	if len(page) < pageHeader {
		return errPage
	}
	now := binary.LittleEndian.Uint64(page)
	size := int(binary.LittleEndian.Uint64(page[8:]) & commitMask)
	if pageHeader+size > len(page) {
		return errPage
	}
	for rest := page[pageHeader:][:size]; len(rest) >= 4; {
		head := binary.LittleEndian.Uint32(rest)
		kind, delta := head&(1<<typeBits-1), uint64(head>>typeBits)
		word := uint64(0)
		if len(rest) >= 8 {
			word = uint64(binary.LittleEndian.Uint32(rest[4:]))
		}
		from, to := 4, 4+int(kind)*4
		switch kind {
		case 0:
			from, to = 8, 4+int(word)
		case typePadding:
			if delta == 0 {
				return nil
			}
			from = 4 + int(word)
			to = from
		case typeExtend:
			delta += word << deltaBits
			from, to = 8, 8
		case typeAbsolute:
			now = now&^uint64(absoluteMask) | word<<deltaBits | delta
			delta, from, to = 0, 8, 8
		}
		now += delta
		if from > to || to > len(rest) {
			return errPage
		}
		if kind < typePadding {
			fn(now, rest[from:to])
		}
		rest = rest[to:]
	}
	return nil
}
