package shm

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// headAsleep is a u32 in the header, and a futex: 1 while the observer sleeps until a record is made, else 0.
const headAsleep = 544

// Sleeper is the observer where no record comes. Who makes one wakes him: it costs a system call, the first record after a rest only.
type Sleeper struct{ mem []byte }

// NewSleeper is for the observer of a memory.
func NewSleeper(mem []byte) Sleeper { return Sleeper{mem} }

func (s Sleeper) word() *uint32 { return (*uint32)(unsafe.Pointer(&s.mem[headAsleep])) }

// Lie says that the observer is about to sleep. Room that is taken in a ring from now on wakes him; for what was taken before he has to look again.
func (s Sleeper) Lie() { atomic.StoreUint32(s.word(), 1) }

// Sleep sleeps until a record is made or Rouse is called since Lie, as long as said at most.
func (s Sleeper) Sleep(d time.Duration) {
	timeout := unix.NsecToTimespec(max(d, 0).Nanoseconds())
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(s.word())), futexWait, 1, uintptr(unsafe.Pointer(&timeout)), 0, 0)
	s.Rise()
}

// Rise says that he does not sleep.
func (s Sleeper) Rise() { atomic.StoreUint32(s.word(), 0) }

// Rouse wakes him.
func (s Sleeper) Rouse() {
	if atomic.SwapUint32(s.word(), 0) != 0 {
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(s.word())), futexWake, everybody, 0, 0, 0)
	}
}

// rouse wakes the observer if he sleeps. It comes after the exchange that takes room, which no later load passes: either this thread finds the
// observer asleep, or he finds the room taken. R11 is the ring's head; no register is lost.
func (o *ringRoutine) rouse() {
	awake := o.Label()
	o.OpToImm(x86.Cmp, x86.Word, x86.At(x86.R11, headAsleep-int32(o.m.Off)), 0)
	o.Jcc(x86.Equal, awake)
	o.Call(o.wake)
	o.Bind(awake)
}

// writeWake writes the routine that wakes the observer, and keeps all registers.
func (w *routine) writeWake() {
	woken := w.Label()
	saved := []x86.Reg{x86.RAX, x86.RCX, x86.RDX, x86.RSI, x86.RDI, x86.R11}
	w.pad()
	w.Bind(w.wake)
	for _, r := range saved {
		w.Push(r)
	}
	w.MovImm(x86.RDI, w.data+headAsleep)
	w.MovImm(x86.RAX, 0)
	w.XchgMem(x86.Word, x86.At(x86.RDI, 0), x86.RAX)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, woken)
	w.MovImm(x86.RSI, futexWake)
	w.MovImm(x86.RDX, everybody)
	w.MovImm(x86.RAX, sysFutex)
	w.Syscall()
	w.Bind(woken)
	for i := range saved {
		w.Pop(saved[len(saved)-1-i])
	}
	w.Ret()
}
