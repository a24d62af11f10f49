package trampoline

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// A hit that the program decides to hand on goes through its pad, and any other does not; both come back with every register, flag and byte of the stack
// as it was, and registers are at the pad what they are at the site. Without a gate every hit goes.
func TestAHitGoesThroughItsPadWhereTheProgramSaysSo(t *testing.T) {
	const through = 400 // the word in which the pad leaves RAX
	for _, golang := range []bool{false, true} {
		for _, flags := range []int32{0, 1, 4, 16, 64, 128, 1024, 2048, 1 | 4 | 16 | 64 | 128 | 1024 | 2048} {
			for name, c := range map[string]struct {
				gives           uint64
				gate, busy, all bool // all: what is undecided goes too
				goes            bool
			}{
				"passed": {gives: 1, gate: true, goes: true}, "filtered": {gate: true}, "always": {goes: true},
				"busy": {gives: 1, gate: true, busy: true}, "undecided": {gate: true, busy: true, all: true, goes: true},
			} {
				t.Run(fmt.Sprintf("go=%v/%s/%#x", golang, name, flags), func(t *testing.T) {
					runtime.LockOSThread() // both hits are of one thread
					defer runtime.UnlockOSThread()
					slots := SlotsFor(1000)
					b := newBench(t, slots)
					code := &x86.Code{}
					for _, r := range []x86.Reg{x86.RCX, x86.RDX, x86.RSI, x86.RDI, x86.R8, x86.R9, x86.R10, x86.R11} {
						code.MovImm(r, 0x666)
					}
					code.Op(x86.Cmp, x86.Quad, x86.RCX, x86.RDX)
					code.MovImm(x86.RAX, c.gives)
					code.Ret()
					program := b.put(code)
					gate := &x86.Code{}
					Gate(gate, Process{Private: addr(&b.private[0]), Slots: slots, Nested: addr(&b.words[0]), Full: addr(&b.words[1]), FSBase: true}, golang, Wants{Decides: true, Undecided: c.all})
					site := Site{Program: program, Gate: b.put(gate)}
					if !c.gate {
						site.Gate = 0
					}
					site.Pad = addr(&b.text[len(b.text)-64])
					var before []byte
					if !golang { // the red zone is in use: movq $-2,-8(%rsp); movq $-3,-128(%rsp)
						before = []byte{0x48, 0xc7, 0x44, 0x24, 0xf8, 0xfe, 0xff, 0xff, 0xff, 0x48, 0xc7, 0x44, 0x24, 0x80, 0xfd, 0xff, 0xff, 0xff}
					}
					w, err := Build(addr(&b.text[b.used]), plain{before}, []Site{site}, Process{}, golang)
					if err != nil {
						t.Fatal(err)
					}
					note := binary.LittleEndian.AppendUint64([]byte{0x48, 0xa3}, addr(&b.words[through])) // mov %rax,through
					pad, err := Pad(site.Pad+uint64(len(note)), w.Behind[0])
					if err != nil {
						t.Fatal(err)
					}
					copy(b.text[len(b.text)-64:], append(note, pad...))
					run := b.harness(b.raw(w.Bytes), flags|usualFlags)
					for n := range 2 { // the first has to find a slot
						if n == 1 && c.busy {
							b.occupy(slots)
						}
						b.words[through] = 0
						jump(run)
						b.kept(uint64(flags | usualFlags))
						want := uint64(0)
						if c.goes && (n == 1 || !c.busy) || c.gives == 1 && n == 0 {
							want = initial(len(order) - 1)
						}
						if got := b.words[through]; got != want {
							t.Errorf("the pad left %#x, not %#x", got, want)
						}
						top := b.words[3] + 8*uint64(len(order)+1)
						if nested := c.busy && !c.all && n == 1; (b.words[0] == 1) != nested {
							t.Errorf("%d hits are counted as nested", b.words[0])
						}
						if lowest := b.stackWords(top-8-Red, 1)[0]; !golang && int64(lowest) != -3 {
							t.Errorf("the red zone was overwritten: %d", lowest)
						}
					}
				})
			}
		}
	}
}

// occupy makes the slots of all threads busy.
func (b *bench) occupy(slots Slots) {
	for i := range 1 << slots.bits {
		if slot := b.private[PrivateSlots+i<<slots.shift:]; binary.NativeEndian.Uint64(slot) != 0 {
			slot[slotBusy] = 1
		}
	}
}
