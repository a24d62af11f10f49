package inject

import (
	"encoding/binary"
)

const (
	nameSpace = messageSize // for names of files and messages, at the start of the scratch memory
	redZone   = 128
	// reserve is how far below a stack pointer memory counts as unused.
	reserve = 16 << 10
)

// Offsets in struct ucontext of x86-64. Source: arch/x86/include/uapi/asm/{ucontext,sigcontext}.h.
const (
	ucFlags   = 0
	ucStack   = 16 // ss_sp, ss_flags, ss_size
	ucRegs    = 40 // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags
	ucRIP     = ucRegs + 16*8
	ucCS      = 184
	ucSS      = 190
	ucFPState = 224
	ucMask    = 296
	ucSize    = 304

	flagXState, flagSS, flagStrictSS = 1, 2, 4 // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS

	userCS = 0x33 // the code segment of 64-bit programs (arch/x86/include/asm/segment.h)

	// softwareBytes is where an xsave area says how long it is: struct _fpx_sw_bytes.
	softwareBytes  = 464
	magic1, magic2 = 0x46505853, 0x46505845
	xstateAlign    = 64
	fxSize         = 512 // what FXSAVE writes, and XSAVE in front of what is its own
	// keepAltStack are flags of a signal stack that no kernel accepts: the thread keeps the one it has.
	keepAltStack = 4
)

// buildFrame puts the name and, where there is room and code for it, the way back into the process's memory.
func (h *hold) buildFrame(g *gate, code borrowed) error {
	image := make([]byte, nameSpace)
	copy(image, regionName)
	g.scratch = (g.thread.regs.Rsp - redZone - 4*nameSpace) &^ 15
	g.rsp = g.scratch
	if base, ok := h.unusedStack(); ok && code.safe {
		state, err := xstate(g.thread.tid)
		if err != nil {
			return h.lost(err)
		}
		frame := layFrame(base, code, g, state)
		if len(frame) <= reserve {
			image, g.scratch, g.safe = frame, base, true
			g.rsp = base + nameSpace
			if code.leave {
				g.rbp = g.rsp
			}
		}
	}
	g.saved = make([]byte, len(image))
	if err := h.read(g.scratch, g.saved); err != nil {
		return err
	}
	return h.write(g.scratch, image)
}

// unusedStack gives the low end of the main thread's stack when that is far from what is in use.
func (h *hold) unusedStack() (uint64, bool) {
	if h.alone != 0 {
		return h.farBelow(h.stopped[0].regs.Rsp)
	}
	m, ok := h.mainStack()
	if !ok || m.End-m.Start < 4*reserve {
		return 0, false
	}
	for _, t := range h.stopped {
		if sp := t.regs.Rsp; sp >= m.Start && sp < m.End && sp < m.Start+3*reserve {
			return 0, false
		}
	}
	return m.Start, true
}

// farBelow gives a place on a thread's own stack that it is far from using.
func (h *hold) farBelow(sp uint64) (uint64, bool) {
	base := (sp - 2*reserve) &^ (xstateAlign - 1)
	for _, m := range h.maps {
		if sp >= m.Start && sp < m.End {
			return base, base >= m.Start
		}
	}
	return 0, false
}

// layFrame writes what a thread needs that comes out of the gate without us.
func layFrame(base uint64, code borrowed, g *gate, state []byte) []byte {
	le := binary.LittleEndian
	image := make([]byte, nameSpace+8*code.pops+8)
	copy(image, regionName)
	le.PutUint64(image[len(image)-8:], code.restorer)
	context := len(image)
	fp := (context + ucSize + xstateAlign - 1) &^ (xstateAlign - 1)
	image = append(image, make([]byte, fp-context)...)
	uc := image[context:]
	le.PutUint64(uc[ucFlags:], flagSS|flagStrictSS)
	le.PutUint32(uc[ucStack+8:], keepAltStack)
	r := resumed(g.thread.regs)
	for i, v := range []uint64{r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.Rdi, r.Rsi, r.Rbp, r.Rbx, r.Rdx, r.Rax, r.Rcx, r.Rsp, r.Rip, r.Eflags} {
		le.PutUint64(uc[ucRegs+8*i:], v)
	}
	le.PutUint16(uc[ucCS:], uint16(r.Cs))
	le.PutUint16(uc[ucSS:], uint16(r.Ss))
	le.PutUint64(uc[ucFPState:], base+uint64(fp))
	le.PutUint64(uc[ucMask:], g.mask)
	if len(state) <= fxSize {
		return append(image, state...)
	}
	le.PutUint64(uc[ucFlags:], flagXState|flagSS|flagStrictSS)
	features := le.Uint64(state[softwareBytes:])
	state = append(le.AppendUint32(state, magic2), make([]byte, 4)...)
	size := uint32(len(state) - 8)
	sw := state[softwareBytes:]
	le.PutUint32(sw, magic1)
	le.PutUint32(sw[4:], size+4)
	le.PutUint64(sw[8:], features)
	le.PutUint32(sw[16:], size)
	return append(image, state...)
}

// resumed is how a thread goes on when the kernel cannot be asked to begin an interrupted system call again: it does so itself.
func resumed(r registers) registers {
	n := -int64(r.Rax)
	if int64(r.Orig_rax) >= 0 && (n >= errRestartFirst && n <= errRestartLast || n == errRestartBlock) {
		r.Rax = r.Orig_rax
		r.Rip -= syscallInstLength
	}
	return r
}
