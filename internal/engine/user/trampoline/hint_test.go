package trampoline

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// A thread's slot is the one with its FS base, whatever the hints say that its stack has; a hint that is there stays.
func TestAWrongHintLeadsToTheRightSlot(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slots := SlotsFor(1000)
	b := newBench(t, slots)
	run := b.site(slots, false)
	jump(run)
	own := b.words[saw+shm.ContextSlot/8]
	all := b.private[privateHints:privateGiven]
	right := uint32(own - slotThread - addr(&b.private[privateNone]))
	learned := 0
	for at := 0; at < len(all); at += 4 {
		if hint := binary.NativeEndian.Uint32(all[at:]); hint == right {
			learned++
		} else if hint != 0 {
			t.Errorf("a hint of %#x, not %#x", hint, right)
		}
	}
	if learned != 1 {
		t.Fatalf("%d hints were learned", learned)
	}
	other := uint32(PrivateSlots + 3<<slots.shift - privateNone)
	if other == right {
		other += 1 << slots.shift
	}
	for _, c := range []struct{ key, hint, want uint32 }{{0, other, other}, {0x1234, other, other}, {0, right, right}, {0, 0, right}} {
		binary.NativeEndian.PutUint64(b.private[other+privateNone:], uint64(c.key))
		for at := 0; at < len(all); at += 4 {
			binary.NativeEndian.PutUint32(all[at:], c.hint)
		}
		b.words[saw+shm.ContextSlot/8] = 0
		jump(run)
		if got := b.words[saw+shm.ContextSlot/8]; got != own || b.words[0]+b.words[1] != 0 {
			t.Errorf("key %#x, hint %#x: slot %#x, not %#x; %d nested, %d without", c.key, c.hint, got, own, b.words[0], b.words[1])
		}
		for at := 0; at < len(all); at += 4 {
			if hint := binary.NativeEndian.Uint32(all[at:]); hint != c.want && hint != c.hint {
				t.Errorf("key %#x, hint %#x: it is %#x now", c.key, c.hint, hint)
			}
		}
	}
}
