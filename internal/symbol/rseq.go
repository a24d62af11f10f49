package symbol

import "encoding/binary"

// Restartable is a restartable sequence: a thread that the kernel interrupts at From or later, before To, goes on at Abort.
type Restartable struct{ From, To, Abort Addr }

// Covers reports whether the kernel starts the sequence over where control stands at an address.
func (r Restartable) Covers(addr Addr) bool { return addr >= r.From && addr < r.To }

const (
	rseqSize       = 32 // struct rseq_cs, include/uapi/linux/rseq.h
	maxRestartable = 1 << 16
)

// Restartables lists the restartable sequences that the file says it has: descriptors in the section __rseq_cs, where librseq and tcmalloc put them.
func (f *File) Restartables() []Restartable {
	f.restartsOnce.Do(func() {
		s := f.image.section("__rseq_cs")
		if s == nil {
			return
		}
		data, err := f.image.contents(s, maxRestartable*rseqSize)
		if err != nil {
			return
		}
		for at := uint64(0); at+rseqSize <= uint64(len(data)); at += rseqSize {
			from := Addr(f.word(s.Addr + at + 8))
			length := binary.LittleEndian.Uint64(data[at+16:])
			if f.image.executable(uint64(from)) {
				f.restarts = append(f.restarts, Restartable{From: from, To: from + Addr(length), Abort: Addr(f.word(s.Addr + at + 24))})
			}
		}
	})
	return f.restarts
}
