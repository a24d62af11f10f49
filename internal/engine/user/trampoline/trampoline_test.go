package trampoline

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// bench is a piece of memory for code, one for the private memory, and a stack, in this process.
type bench struct {
	t       *testing.T
	text    []byte
	used    int
	private []byte
	stack   []byte
	words   []uint64 // nested, full, where the stack pointer is left, then what the program saw
}

func mapped(t *testing.T, size, prot int) []byte {
	t.Helper()
	m, err := unix.Mmap(-1, 0, size, prot, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	return m
}

func newBench(t *testing.T, slots Slots) *bench {
	const rw = unix.PROT_READ | unix.PROT_WRITE
	b := &bench{t: t, text: mapped(t, 1<<16, rw|unix.PROT_EXEC), private: mapped(t, slots.Size(), rw), stack: mapped(t, 1<<16, rw)}
	b.words = unsafe.Slice((*uint64)(unsafe.Pointer(&mapped(t, 1<<12, rw)[0])), 512)
	copy(b.private, Head(unix.Getpid()))
	return b
}

func addr[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// put assembles code behind what is there.
func (b *bench) put(c *x86.Code) uint64 {
	b.t.Helper()
	at := addr(&b.text[b.used])
	code, err := c.Assemble(at)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.raw(code)
}

func (b *bench) raw(code []byte) uint64 {
	at := addr(&b.text[b.used])
	copy(b.text[b.used:], code)
	b.used += (len(code) + 15) &^ 15
	return at
}

// jump runs code at an address as a Go function without parameters; it must keep RBP, R14 and the stack.
func jump(at uint64) {
	code := &at
	f := *(*func())(unsafe.Pointer(&code))
	f()
}

// start is every register but RSP before the call, in the order in which they are pushed, then the flags.
var order = [...]x86.Reg{x86.R15, x86.R14, x86.R13, x86.R12, x86.R11, x86.R10, x86.R9, x86.R8, x86.RDI, x86.RSI, x86.RBP, x86.RDX, x86.RCX, x86.RBX, x86.RAX}

const (
	saw     = 16 // words: the context as the program saw it
	patched = 0x1122334455667788
)

func initial(i int) uint64 { return 0xabcd_0000_0000_0000 + uint64(i)*0x0101_0101 }

// harness loads all registers and flags, calls fn on a stack of its own, and leaves registers and flags pushed there.
func (b *bench) harness(fn uint64, flags int32) uint64 {
	c := &x86.Code{}
	callee := []x86.Reg{x86.RBX, x86.RBP, x86.R12, x86.R13, x86.R14, x86.R15}
	for _, r := range callee {
		c.Push(r)
	}
	c.MovImm64(x86.RAX, addr(&b.words[2]))
	c.Store(x86.Quad, x86.At(x86.RAX, 0), x86.RSP)
	c.MovImm64(x86.RSP, addr(&b.stack[len(b.stack)-4096]))
	c.PushImm(flags)
	for i, r := range order {
		c.MovImm64(r, initial(i))
	}
	c.Popf()
	c.CallTo(fn)
	c.Pushf()
	for _, r := range order {
		c.Push(r)
	}
	c.Cld()
	c.MovImm64(x86.RAX, addr(&b.words[3]))
	c.Store(x86.Quad, x86.At(x86.RAX, 0), x86.RSP)
	c.MovImm64(x86.RAX, addr(&b.words[2]))
	c.Load(x86.Quad, x86.RSP, x86.At(x86.RAX, 0))
	for i := range callee {
		c.Pop(callee[len(callee)-1-i])
	}
	c.Ret()
	return b.put(c)
}

// program notes its context and destroys what it may.
func (b *bench) program() uint64 {
	c := &x86.Code{}
	c.Mov(x86.Quad, x86.RSI, x86.RDI)
	c.MovImm64(x86.RDI, addr(&b.words[saw]))
	c.MovImm(x86.RCX, shm.ContextSize/8)
	c.Pushf()
	c.Cld()
	c.RepMovs(x86.Quad)
	c.Popf()
	for i := range 64 {
		c.PushImm(int32(i)) // 512 bytes
	}
	c.OpImm(x86.Add, x86.Quad, x86.RSP, 512)
	for _, r := range []x86.Reg{x86.RAX, x86.RCX, x86.RDX, x86.RSI, x86.RDI, x86.R8, x86.R9, x86.R10, x86.R11} {
		c.MovImm(r, 0x666)
	}
	c.Op(x86.Cmp, x86.Quad, x86.RAX, x86.RCX)
	c.Ret()
	return b.put(c)
}

// plain is a window's own instructions: one ret.
type plain struct{ before []byte }

func (p plain) Emit(n int, _ uint64) ([]byte, error) {
	if n == 0 {
		return p.before, nil
	}
	return []byte{0xc3}, nil
}

func (b *bench) gate(slots Slots, golang, fs bool) uint64 {
	c := &x86.Code{}
	Gate(c, Process{Private: addr(&b.private[0]), Slots: slots, Nested: addr(&b.words[0]), Full: addr(&b.words[1]), FSBase: fs}, golang, All())
	return b.put(c)
}

const usualFlags = 1<<9 | 1<<1 // interrupts on, and the bit that is always set

func TestAThreadComesBackAsItWas(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, golang := range []bool{false, true} {
		for name, flags := range map[string]int32{
			"none": 0, "carry": 1, "parity": 4, "adjust": 16, "zero": 64, "sign": 128, "overflow": 2048, "direction": 1024,
			"all": 1 | 4 | 16 | 64 | 128 | 2048,
		} {
			t.Run(fmt.Sprintf("go=%v/%s", golang, name), func(t *testing.T) {
				runtime.LockOSThread() // it runs in a goroutine of its own
				defer runtime.UnlockOSThread()
				slots := SlotsFor(1000)
				b := newBench(t, slots)
				gate := b.gate(slots, golang, true)
				program := b.program()
				var before []byte
				if !golang { // the red zone is in use: movq $-2,-8(%rsp); movq $-3,-128(%rsp)
					before = []byte{0x48, 0xc7, 0x44, 0x24, 0xf8, 0xfe, 0xff, 0xff, 0xff, 0x48, 0xc7, 0x44, 0x24, 0x80, 0xfd, 0xff, 0xff, 0xff}
				}
				w, err := Build(addr(&b.text[b.used]), plain{before}, []Site{{Program: program, PC: 0x4711, Function: 0x4700, Cookie: patched, Gate: gate}}, Process{}, golang)
				if err != nil {
					t.Fatal(err)
				}
				jump(b.harness(b.raw(w.Bytes), flags|usualFlags))
				b.check(uint64(flags|usualFlags), golang)
			})
		}
	}
}

// kept compares what came back with what was there before.
func (b *bench) kept(flags uint64) {
	b.t.Helper()
	pushed := b.stackWords(b.words[3], len(order)+1)
	for i := range order {
		if got := pushed[len(order)-1-i]; got != initial(i) {
			b.t.Errorf("register %d is %#x, was %#x", order[i], got, initial(i))
		}
	}
	if got := pushed[len(order)]; got != flags {
		b.t.Errorf("flags are %#x, were %#x", got, flags)
	}
}

// check compares what came back, and what the program saw, with what was there before.
func (b *bench) check(flags uint64, golang bool) {
	t := b.t
	t.Helper()
	b.kept(flags)
	top := b.words[3] + 8*uint64(len(order)+1)
	ctx := b.words[saw:]
	for i, r := range order {
		at := map[x86.Reg]int{x86.RAX: shm.ContextRAX, x86.RCX: shm.ContextRCX, x86.RDX: shm.ContextRDX}[r]
		for _, k := range kept() {
			if k.reg == r {
				at = int(k.at)
			}
		}
		if got := ctx[at/8]; got != initial(i) {
			t.Errorf("the program saw register %d as %#x, not %#x", r, got, initial(i))
		}
	}
	slot := b.words[saw+shm.ContextSlot/8] - addr(&b.private[0])
	if who := uint64(unix.Getpid())<<32 | uint64(unix.Gettid()); *(*uint64)(unsafe.Pointer(&b.private[slot+shm.SlotIDs])) != who {
		t.Errorf("the slot belongs to %#x, not to %#x", b.private[slot:slot+8], who)
	}
	for at, want := range map[int]uint64{shm.ContextFlags: flags, shm.ContextRSP: top - 8, shm.ContextRIP: 0x4711, shm.ContextFunction: 0x4700, shm.ContextCookie: patched} {
		if ctx[at/8] != want {
			t.Errorf("the program saw %#x at %d, not %#x", ctx[at/8], at, want)
		}
	}
	if lowest := b.stackWords(ctx[shm.ContextRSP/8]-Red, 1)[0]; !golang && int64(lowest) != -3 { // what lies above, harness has overwritten
		t.Errorf("the red zone was overwritten: %d", lowest)
	}
}

// stackWords reads words of the stack that code ran on.
func (b *bench) stackWords(at uint64, n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b.stack[at-addr(&b.stack[0])])), n)
}

func TestHitsThatFindNoSlotAreCountedAndRunNothing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slots := SlotsFor(0)
	for name, c := range map[string]struct {
		spoil        func(b *bench, key func(i int) *uint64)
		nested, full uint64
	}{
		"a program of the thread runs already": {
			spoil: func(b *bench, key func(int) *uint64) {
				for i := range 1 << slots.bits {
					if *key(i) != 0 {
						b.private[PrivateSlots+i<<slots.shift+slotBusy] = 1
					}
				}
			}, nested: 1,
		},
		"all slots belong to others": {
			spoil: func(b *bench, key func(int) *uint64) {
				for i := range 1<<slots.bits + probes {
					*key(i) = generation + 0x10
				}
			}, full: 1,
		},
		"in all slots a program of a parent runs": {
			spoil: func(b *bench, key func(int) *uint64) {
				for i := range 1<<slots.bits + probes {
					*key(i) = 2*generation + 0x10
					b.private[PrivateSlots+i<<slots.shift+slotBusy] = 1
				}
			}, full: 1,
		},
		"the process is a child": {spoil: func(b *bench, key func(int) *uint64) { clear(b.private) }},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // it runs in a goroutine of its own
			defer runtime.UnlockOSThread()
			b := newBench(t, slots)
			key := func(i int) *uint64 { return (*uint64)(unsafe.Pointer(&b.private[PrivateSlots+i<<slots.shift])) }
			run := b.site(slots, false)
			jump(run)
			clear(b.words[saw:])
			c.spoil(b, key)
			jump(run)
			if b.words[0] != c.nested || b.words[1] != c.full || b.words[saw+shm.ContextCookie/8] != 0 {
				t.Errorf("%d nested, %d without a slot, cookie %#x", b.words[0], b.words[1], b.words[saw+shm.ContextCookie/8])
			}
			for i, got := range b.stackWords(b.words[3], len(order)) {
				if want := initial(len(order) - 1 - i); got != want {
					t.Errorf("a register is %#x, was %#x", got, want)
				}
			}
		})
	}
}

// A child has none of its parent's slots, but what runs in one of them when a signal handler forks runs to its end there.
func TestAChildLeavesItsParentsProgramsAlone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, golang := range []bool{false, true} {
		for _, busy := range []byte{0, 1} {
			slots := SlotsFor(1000)
			b := newBench(t, slots)
			c := &x86.Code{}
			Gate(c, Process{Private: addr(&b.private[0]), Slots: slots, Nested: addr(&b.words[0]), Full: addr(&b.words[1]), FSBase: true, Children: true}, golang, All())
			site := Site{Program: b.program(), Cookie: patched, Gate: b.put(c)}
			w, err := Build(addr(&b.text[b.used]), plain{}, []Site{site}, Process{}, golang)
			if err != nil {
				t.Fatal(err)
			}
			run := b.harness(b.raw(w.Bytes), usualFlags)
			used := func() []byte {
				clear(b.words[saw:])
				jump(run)
				return b.private[b.words[saw+shm.ContextSlot/8]-addr(&b.private[0])-slotThread:][:slotThread+slots.thread]
			}
			slot := used()
			const kept = slotThread + 800 // what programs keep
			for children := range 3 {
				slot[kept], slot[slotBusy] = 1, busy
				before := string(slot)
				clear(b.private[:privateGiven]) // as the kernel does
				next := used()
				same := &next[0] == &slot[0]
				if same != (busy == 0) || !same && string(slot) != before || next[kept] != 0 || next[slotBusy] != 0 || b.words[0]+b.words[1] != 0 {
					t.Errorf("go=%v busy=%d, child %d: slot % x, was % x; then % x", golang, busy, children, slot[:16], before[:16], next[:16])
				}
				if again := used(); &again[0] != &next[0] {
					t.Errorf("go=%v busy=%d, child %d: its thread has two slots", golang, busy, children)
				}
				slot[slotBusy] = 0
				slot = next
			}
			if tgid := binary.NativeEndian.Uint32(b.private); tgid != uint32(unix.Getpid()) {
				t.Errorf("the child is %d", tgid)
			}
		}
	}
}

// site is a function with one site, to be run by jump.
func (b *bench) site(slots Slots, golang bool) uint64 {
	b.t.Helper()
	gate, program := b.gate(slots, golang, true), b.program()
	w, err := Build(addr(&b.text[b.used]), plain{}, []Site{{Program: program, Cookie: patched, Gate: gate}}, Process{}, golang)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.harness(b.raw(w.Bytes), usualFlags|1|2048)
}
