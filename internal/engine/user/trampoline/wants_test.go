package trampoline

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// run hits a site whose gate gives no more than is wanted.
func (b *bench) run(slots Slots, golang bool, wants Wants, program uint64, flags int32) {
	b.t.Helper()
	b.runIn(Process{}, slots, golang, wants, program, flags)
}

// runIn does so in a process of which more is known.
func (b *bench) runIn(p Process, slots Slots, golang bool, wants Wants, program uint64, flags int32) {
	b.t.Helper()
	p.Private, p.Slots, p.Nested, p.Full, p.FSBase = addr(&b.private[0]), slots, addr(&b.words[0]), addr(&b.words[1]), true
	c := &x86.Code{}
	Gate(c, p, golang, wants)
	site := Site{Program: program, PC: 0x4711, Function: 0x4700, Cookie: patched, AtEntry: true, Gate: b.put(c)}
	w, err := Build(addr(&b.text[b.used]), plain{}, []Site{site}, Process{}, golang)
	if err != nil {
		b.t.Fatal(err)
	}
	jump(b.harness(b.raw(w.Bytes), flags|usualFlags))
	b.kept(uint64(flags | usualFlags))
}

func TestEachWordOfAContextCanBeHadAlone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, golang := range []bool{false, true} {
		slots := SlotsFor(1000)
		b := newBench(t, slots)
		program := b.program()
		after := b.used
		b.run(slots, golang, All(), program, 1|2048)
		all := slices.Clone(b.words[saw : saw+shm.ContextSize/8])
		for i := range all {
			clear(b.stack)
			b.used = after
			b.run(slots, golang, Wants{Words: 1 << i}, program, 1|2048)
			if got := b.words[saw+i]; got != all[i] {
				t.Errorf("go=%v: word %d is %#x alone, %#x among all", golang, i, got, all[i])
			}
		}
		if b.words[0] != 0 || b.words[1] != 0 {
			t.Errorf("%d nested, %d without a slot", b.words[0], b.words[1])
		}
	}
}

// A program keeps what functions of the System V ABI keep, so a gate that gives it nothing must keep the rest.
func TestAThreadComesBackAsItWasFromAProgramThatWantsNothing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, golang := range []bool{false, true} {
		for _, flags := range []int32{0, 1, 4, 16, 64, 128, 1024, 2048, 1 | 4 | 16 | 64 | 128 | 1024 | 2048} {
			for name, wants := range map[string]Wants{"nothing": {}, "the thread": {Thread: true}, "flags": {Words: 1 << (shm.ContextFlags / 8)}} {
				t.Run(fmt.Sprintf("go=%v/%s/%#x", golang, name, flags), func(t *testing.T) {
					runtime.LockOSThread() // it runs in a goroutine of its own
					defer runtime.UnlockOSThread()
					slots := SlotsFor(1000)
					b := newBench(t, slots)
					c := &x86.Code{}
					c.MovImm64(x86.RAX, addr(&b.words[saw]))
					c.OpToImm(x86.Add, x86.Quad, x86.At(x86.RAX, 0), 1)
					for _, r := range []x86.Reg{x86.RAX, x86.RCX, x86.RDX, x86.RSI, x86.RDI, x86.R8, x86.R9, x86.R10, x86.R11} {
						c.MovImm(r, 0x666)
					}
					c.Op(x86.Cmp, x86.Quad, x86.RAX, x86.RCX)
					c.Ret()
					program := b.put(c)
					b.run(slots, golang, wants, program, flags)
					b.run(slots, golang, wants, program, flags)
					if b.words[saw] != 2 {
						t.Errorf("the program ran %d times", b.words[saw])
					}
				})
			}
		}
	}
}

// Where Go keeps a thread's number it is read from the second hit on, if it was right at the first; if it was not, the kernel is asked each time.
func TestAThreadsNumberIsReadWhereItWasFound(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const procid, g = -72, -8 // of runtime.m, from its tls
	for at, found := range map[int32]uint32{procid: 1, g: 0, 0: 0} {
		slots := SlotsFor(1000)
		b := newBench(t, slots)
		program := b.program()
		for range 3 {
			clear(b.stack)
			b.runIn(Process{GoTID: at}, slots, true, Wants{Thread: true}, program, 0)
		}
		threads := 0
		for i := range 1<<slots.bits + probes {
			slot := b.private[PrivateSlots+i<<slots.shift:]
			if binary.NativeEndian.Uint64(slot) == 0 {
				continue
			}
			threads++
			ids, own := binary.NativeEndian.Uint64(slot[slotThread+shm.SlotIDs:]), binary.NativeEndian.Uint32(slot[slotThread+shm.SlotOwnTID:])
			if uint32(ids) != uint32(unix.Gettid()) || own != found {
				t.Errorf("at %d: thread %d is %d, found %d, want %d", at, unix.Gettid(), uint32(ids), own, found)
			}
		}
		if threads != 1 {
			t.Errorf("%d threads", threads)
		}
	}
}
