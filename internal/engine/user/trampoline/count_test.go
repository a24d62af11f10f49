package trampoline

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// A site that only counts adds to the value of the thread's slot and leaves registers, flags and red zone alone; a thread that has no slot
// yet, no value, or one that it shares, runs the program.
func TestAThreadThatOnlyCountsComesBackAsItWas(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const value, inSlot, offset = 300, 200, 16 // a word; bytes
	for _, golang := range []bool{false, true} {
		for name, flags := range map[string]int32{
			"none": 0, "carry": 1, "parity": 4, "adjust": 16, "zero": 64, "sign": 128, "overflow": 2048, "direction": 1024, "all": 1 | 4 | 16 | 64 | 128 | 2048,
		} {
			t.Run(fmt.Sprintf("go=%v/%s", golang, name), func(t *testing.T) {
				runtime.LockOSThread() // it runs in a goroutine of its own
				defer runtime.UnlockOSThread()
				slots := SlotsFor(1000)
				b := newBench(t, slots)
				process := Process{Private: addr(&b.private[0]), Slots: slots, FSBase: true}
				gate, program := b.gate(slots, golang, true), b.program()
				var before []byte
				if !golang {
					before = []byte{0x48, 0xc7, 0x44, 0x24, 0xf8, 0xfe, 0xff, 0xff, 0xff, 0x48, 0xc7, 0x44, 0x24, 0x80, 0xfd, 0xff, 0xff, 0xff}
				}
				count := &Count{InSlot: inSlot, Offset: offset, By: 1}
				w, err := Build(addr(&b.text[b.used]), plain{before}, []Site{{Program: program, PC: 0x4711, Function: 0x4700, Cookie: patched, Count: count, Gate: gate}}, process, golang)
				if err != nil {
					t.Fatal(err)
				}
				run := b.harness(b.raw(w.Bytes), flags|usualFlags)
				jump(run)
				b.check(uint64(flags|usualFlags), golang)
				slot := b.private[b.words[saw+shm.ContextSlot/8]-addr(&b.private[0]):]
				binary.NativeEndian.PutUint64(slot[inSlot:], addr(&b.words[value])-offset)
				for _, own := range []uint32{1, 0, 1} {
					binary.NativeEndian.PutUint32(slot[shm.SlotOwn:], own)
					clear(b.words[value:])
					cookie := &b.words[saw+shm.ContextCookie/8]
					*cookie = 0
					jump(run)
					if ran := *cookie == patched; b.words[value] != uint64(own) || ran != (own == 0) {
						t.Errorf("own values %d: counted %d, the program saw cookie %#x", own, b.words[value], *cookie)
					}
					*cookie = patched
					b.check(uint64(flags|usualFlags), golang)
				}
			})
		}
	}
}
