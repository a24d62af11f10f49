package trampoline

import (
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// unthreaded runs code as a thread without thread-local storage would: with an FS base of 0.
func (b *bench) unthreaded(at uint64) {
	b.t.Helper()
	c := &x86.Code{}
	c.Push(x86.RBX)
	c.ReadFS(x86.RBX)
	c.MovImm(x86.RAX, 0)
	c.Raw(0xf3, 0x48, 0x0f, 0xae, 0xd0) // wrfsbase %rax
	c.CallTo(at)
	c.Raw(0xf3, 0x48, 0x0f, 0xae, 0xd3) // wrfsbase %rbx
	c.Pop(x86.RBX)
	c.Ret()
	run := b.put(c)
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil { // handlers would look for their thread
		b.t.Fatal(err)
	}
	jump(run)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		b.t.Fatal(err)
	}
}

// Threads without thread-local storage share a slot, and nothing is read where others have theirs.
func TestAThreadWithoutThreadLocalStorageComesBackAsItWas(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const tid, value, inSlot = 0x2d0, 300, 200 // where glibc has the thread's number; a word; bytes
	for _, golang := range []bool{false, true} {
		for _, count := range []bool{false, true} {
			slots := SlotsFor(1000)
			b := newBench(t, slots)
			p := Process{Private: addr(&b.private[0]), Slots: slots, Nested: addr(&b.words[0]), Full: addr(&b.words[1]), FSBase: true, TID: tid}
			c := &x86.Code{}
			Gate(c, p, golang, All())
			site := Site{Program: b.program(), PC: 0x4711, Function: 0x4700, Cookie: patched, Gate: b.put(c)}
			if count {
				site.Count = &Count{InSlot: inSlot, By: 1}
			}
			before := []byte{0x48, 0xc7, 0x44, 0x24, 0x80, 0xfd, 0xff, 0xff, 0xff} // movq $-3,-128(%rsp)
			w, err := Build(addr(&b.text[b.used]), plain{before}, []Site{site}, p, golang)
			if err != nil {
				t.Fatal(err)
			}
			hit := b.harness(b.raw(w.Bytes), usualFlags|1|2048)
			for range 3 {
				clear(b.words[saw:])
				b.unthreaded(hit)
				b.check(usualFlags|1|2048, golang)
				slot := b.private[b.words[saw+shm.ContextSlot/8]-addr(&b.private[0]):]
				if binary.NativeEndian.Uint32(slot[shm.SlotShared:]) == 0 || binary.NativeEndian.Uint64(slot[shm.SlotFSBase:]) != 0 {
					t.Errorf("go=%v count=%v: the slot is not shared, or has an FS base", golang, count)
				}
				binary.NativeEndian.PutUint32(slot[shm.SlotOwn:], 1) // as one that counts
				binary.NativeEndian.PutUint64(slot[inSlot:], addr(&b.words[value]))
			}
			if b.words[0] != 0 || b.words[1] != 0 || b.words[value] != 0 {
				t.Errorf("go=%v count=%v: %d nested, %d without a slot, %d counted", golang, count, b.words[0], b.words[1], b.words[value])
			}
		}
	}
}
