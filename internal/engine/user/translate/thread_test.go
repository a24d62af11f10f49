//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// The clock of programs is the monotonic clock, by the counter and by the kernel, and never goes back when it is set anew.
func TestTheClockOfProgramsIsTheMonotonicClock(t *testing.T) {
	p := newPlace(t, blockSpec)
	entry := p.add(t, asm.Instructions{
		asm.FnKtimeGetNs.Call(),
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R1, Src: asm.PseudoMapValue}.WithReference(blockMap),
		asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	})
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	now := func() shm.Moment {
		m, err := shm.Now()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ask := func() uint64 {
		p.call(entry)
		return binary.LittleEndian.Uint64(p.mem[p.layout.Map(blockMap).Data:])
	}
	between := func(what string, slack uint64) {
		t.Helper()
		before := now().Nanos
		got := ask()
		if after := now().Nanos; got+slack < before || got > after+slack {
			t.Errorf("%s: %d is not between %d and %d", what, got, before, after)
		}
	}
	between("by the kernel", 0)
	begin := now()
	time.Sleep(20 * time.Millisecond)
	clock := begin.Until(now())
	shm.SetClock(p.mem, clock)
	if clock.Factor == 0 {
		t.Fatal("no rate")
	}
	between("by the counter", 1_000_000)
	last := ask()
	for range 20 {
		clock = clock.Steer(begin, now(), 10*time.Millisecond)
		shm.SetClock(p.mem, clock)
		got := ask()
		if got < last {
			t.Errorf("the clock went back by %d ns", last-got)
		}
		last = got
		time.Sleep(time.Millisecond)
	}
	between("steered", 1_000_000)
	// A counter that was read before the clock was set is before the clock's start.
	if at := clock.At(clock.Counter - 1000); at >= clock.Nanos || clock.Nanos-at > 10_000 {
		t.Errorf("1000 counts before %d it is %d", clock.Nanos, at)
	}
}

// Stacks are the probed instruction, the caller that has no frame yet, and what the frame pointers lead to, up to the first that
// leads nowhere.
func TestStacksFollowFramePointers(t *testing.T) {
	const size = 64
	frames := anonymous(t, 8192)
	if err := unix.Mprotect(frames[4096:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	at := address(frames)
	word := func(off int, v uint64) { binary.LittleEndian.PutUint64(frames[off:], v) }
	word(0, 0x1111) // the return address, on top of the stack
	word(64, at+128)
	word(72, 0x2222)
	word(128, at+256)
	word(136, 0x3333)
	word(256, 8) // nowhere
	word(264, 0x4444)
	p := newPlace(t, blockSpec)
	entry := p.add(t, asm.Instructions{
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoMapValue}.WithReference(blockMap),
		asm.LoadMem(asm.R3, asm.R2, 128, asm.Word), // the size
		asm.Mov.Imm(asm.R4, 1<<8),
		asm.FnGetStack.Call(),
		asm.Return(),
	})
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	block := p.mem[p.layout.Map(blockMap).Data:][:blockSize]
	set := func(off int, v uint64) { binary.LittleEndian.PutUint64(p.context[off:], v) }
	set(shm.ContextRIP, 0xabc)
	set(shm.ContextRSP, at)
	for _, known := range []bool{true, false} {
		binary.LittleEndian.PutUint64(p.slot[shm.SlotLow:], 0)
		binary.LittleEndian.PutUint64(p.slot[shm.SlotHigh:], 0)
		if known {
			binary.LittleEndian.PutUint64(p.slot[shm.SlotLow:], at)
			binary.LittleEndian.PutUint64(p.slot[shm.SlotHigh:], at+4096)
		}
		for _, c := range []struct {
			name    string
			rbp     uint64
			atEntry uint64
			room    int
			want    []uint64
		}{
			{"all", at + 64, 0, size, []uint64{0xabc, 0x2222, 0x3333, 0x4444}},
			{"at a push", at + 64, 1, size, []uint64{0xabc, 0x1111, 0x2222, 0x3333, 0x4444}},
			{"no room", at + 64, 1, 24, []uint64{0xabc, 0x1111, 0x2222}},
			{"room for one", at + 64, 1, 8, []uint64{0xabc}},
			{"no frame", 0, 0, size, []uint64{0xabc}},
			{"a frame in the kernel", 0xffff888000000000, 1, size, []uint64{0xabc, 0x1111}},
			{"a frame over the end", at + 4096 - 8, 0, size, []uint64{0xabc}},
			{"none", at + 64, 0, 0, nil},
		} {
			for i := range block {
				block[i] = 0xee
			}
			binary.LittleEndian.PutUint32(block[128:], uint32(c.room))
			set(shm.ContextRBP, c.rbp)
			set(shm.ContextAtEntry, c.atEntry)
			n := int(int32(p.call(entry)))
			if n != 8*len(c.want) || !slices.Equal(words64(block[:max(n, 0)]), c.want) {
				t.Errorf("%s, stack known %v: %d bytes, %x, want %x", c.name, known, n, words64(block[:max(n, 0)]), c.want)
			}
			if n >= 0 && n < c.room && slices.ContainsFunc(block[n:c.room], func(b byte) bool { return b != 0 }) {
				t.Errorf("%s: what is behind the stack is not cleared", c.name)
			}
			if c.room < blockData && block[c.room] != 0xee {
				t.Errorf("%s: memory behind the room was written", c.name)
			}
		}
	}
	binary.LittleEndian.PutUint32(block[128:], 12)
	if n := int32(p.call(entry)); n != -22 {
		t.Errorf("12 bytes give %d, want EINVAL", n)
	}
}

// What belongs to a hit and to a thread is where the context says.
func TestWhatTheEngineHandsIn(t *testing.T) {
	p := newPlace(t, shm.Spec{Name: "scratch", Kind: shm.Storage, Key: 4, Value: 40, Entries: 1})
	binary.LittleEndian.PutUint64(p.context[shm.ContextCookie:], 0x1234)
	binary.LittleEndian.PutUint64(p.context[shm.ContextFunction:], 0x5678)
	binary.LittleEndian.PutUint64(p.context[shm.ContextRIP:], 0x9abc)
	var entries []uint64
	for _, ins := range []asm.Instructions{
		{asm.FnGetAttachCookie.Call(), asm.Return()},
		{asm.FnGetFuncIp.Call(), asm.Return()},
		{asm.LoadMem(asm.R0, asm.R1, 128, asm.DWord), asm.Return()},
		{asm.FnGetCurrentTaskBtf.Call(), mapPtr(asm.R1, "scratch"), asm.Mov.Reg(asm.R2, asm.R0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 1),
			asm.FnTaskStorageGet.Call(), storeImm(asm.R0, 32, 77, asm.DWord), asm.Mov.Imm(asm.R0, 0), asm.Return()},
		{asm.FnGetSmpProcessorId.Call(), asm.Return()},
	} {
		entries = append(entries, p.add(t, ins))
	}
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint32{0x1234, 0x5678, 0x9abc, 0} {
		if got := uint32(p.call(entries[i])); got != want {
			t.Errorf("program %d gives %#x, want %#x", i, got, want)
		}
	}
	if p.slot[shm.SlotStorage+32] != 77 {
		t.Error("the thread's memory is elsewhere")
	}
	if cpu := uint32(p.call(entries[4])); cpu >= 2 {
		t.Errorf("CPU %d of 2", cpu)
	}
}
