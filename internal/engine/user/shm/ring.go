package shm

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// A ring is written by many threads and read by one observer.
//
//	head    +0    u64 produced: bytes, ever
//	        +128  u64 consumed: bytes, ever
//	        +256  u64 lost: records that there was no room for
//	record  at a multiple of 16
//	        +0    u32 length, with flags: busy as long as it is written, done from then on, and dropped if nobody is to read it
//	        +4    u32 thread that writes it
//	        +8    u64 its position ^ ringMagic: what is no record can be told
//	        +16   the bytes, which go on at the ring's start behind its end
//
// What has been consumed is zeros: a record whose length is 0 has its room and nothing else yet. A record that a program writes in place lies in
// one piece: one that is dropped fills what is left of the ring before its end.
const (
	ringProduced = 0
	ringConsumed = 128
	ringLost     = 256
	ringCheck    = 8
	ringHeader   = 16
	ringAlign    = 16
	ringMagic    = 0x736f6e6465 << 24
	ringBusy     = 1 << 31
	ringDone     = 1 << 30
	ringDropped  = 1 << 29
	ringLongest  = 1 << 24
	ringLength   = ringDropped - 1
)

// Reader consumes a ring.
type Reader struct {
	t     *Table
	data  []byte
	split []byte // a record that goes over the end
}

// Reader gives the ring's only reader. It may go on where another one ended.
func (l *Layout) Reader(mem []byte, name string) (*Reader, error) {
	t, err := l.Table(mem, name)
	if err != nil {
		return nil, err
	}
	if t.Kind != Ring {
		return nil, fmt.Errorf("map %s is no ring", name)
	}
	return &Reader{t: t, data: mem[t.Data:][:t.Entries]}, nil
}

func (r *Reader) position() (at, end uint64) {
	at = atomic.LoadUint64(r.t.quad(r.t.Off + ringConsumed))
	return at, atomic.LoadUint64(r.t.quad(r.t.Off + ringProduced))
}

// Waiting is how many bytes have been written and not consumed.
func (r *Reader) Waiting() int {
	at, end := r.position()
	return int(end - at)
}

// Size is how many bytes the ring holds.
func (r *Reader) Size() int { return len(r.data) }

// Lost is how many records there was no room for.
func (r *Reader) Lost() uint64 { return atomic.LoadUint64(r.t.quad(r.t.Off + ringLost)) }

// header gives what a record says of itself at a position.
func (r *Reader) header(at uint64) (flags uint32, length, tid int) {
	off := at & uint64(len(r.data)-1)
	word := atomic.LoadUint64(r.t.quad(r.t.Data + int(off)))
	return uint32(word), int(word & ringLength), int(word >> 32)
}

// genuine reports whether what is at a position can be a record's header: the memory belongs to the process, which may write
// anything there.
func (r *Reader) genuine(at, end uint64) bool {
	off := at & uint64(len(r.data)-1)
	_, length, _ := r.header(at)
	return binary.LittleEndian.Uint64(r.data[off+ringCheck:]) == at^ringMagic && length <= min(len(r.data)/2, ringLongest) && at+room(length) <= end
}

// damaged reports positions that no writer leaves.
func (r *Reader) damaged(at, end uint64) bool {
	return end-at > uint64(len(r.data)) || (at|end)%ringAlign != 0
}

func room(length int) uint64 { return uint64(align(ringHeader+length, ringAlign)) }

// Drain hands over what is complete, up to what is there now; busy says that a record is being written, behind which others may wait. The
// bytes are gone when fn returns.
func (r *Reader) Drain(fn func(record []byte)) (some, busy bool) {
	at, end := r.position()
	if r.damaged(at, end) {
		return false, false
	}
	given := at
	for at < end {
		flags, length, _ := r.header(at)
		if flags&ringDone == 0 || !r.genuine(at, end) {
			busy = true
			break
		}
		if flags&ringDropped == 0 {
			fn(r.record(at+ringHeader, length))
		}
		r.clear(at, room(length))
		at += room(length)
		some = true
		if at-given >= uint64(len(r.data)/8) {
			atomic.StoreUint64(r.t.quad(r.t.Off+ringConsumed), at)
			given = at
		}
	}
	if at != given {
		atomic.StoreUint64(r.t.quad(r.t.Off+ringConsumed), at)
	}
	return some, busy
}

// record gives n bytes from a position on.
func (r *Reader) record(from uint64, n int) []byte {
	off := int(from & uint64(len(r.data)-1))
	if off+n > len(r.data) {
		r.split = append(append(r.split[:0], r.data[off:]...), r.data[:off+n-len(r.data)]...)
		return r.split
	}
	return r.data[off:][:n]
}

func (r *Reader) clear(at, n uint64) {
	off := at & uint64(len(r.data)-1)
	first := min(n, uint64(len(r.data))-off)
	clear(r.data[off : off+first])
	clear(r.data[:n-first])
}

// Skip gives up the record that Drain waits for if its thread is no longer there, and reports whether it did: it is lost. alive tells
// whether a thread of that number is there; final says that no thread of any process is at work on the ring any more, so that room without a
// record is passed too.
func (r *Reader) Skip(alive func(tid int) bool, final bool) bool {
	at, end := r.position()
	if at >= end || r.damaged(at, end) {
		return false
	}
	flags, length, tid := r.header(at)
	next := at + room(length)
	switch {
	case flags&ringDone != 0 && r.genuine(at, end):
		return false
	case flags&ringBusy != 0 && r.genuine(at, end):
		if !final && alive(tid) {
			return false
		}
	case !final:
		return false
	default:
		for next = at + ringAlign; next < end && !r.genuine(next, end); {
			next += ringAlign
		}
	}
	r.clear(at, next-at)
	atomic.StoreUint64(r.t.quad(r.t.Off+ringConsumed), next)
	return true
}
