package trampoline

import (
	"encoding/binary"
	"errors"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// What the gate must know about a site, behind the code of its window.
const (
	dataProgram  = 0
	dataPC       = 8
	dataFunction = 16
	dataCookie   = 24
	dataAtEntry  = 32
	dataLower    = 40
)

// Site is one place where a program runs.
type Site struct {
	Program  uint64 // address of the program
	Gate     uint64 // address of the gate that it is run by
	PC       uint64 // of the instruction
	Function uint64 // of the function that it is in
	Cookie   uint64
	// AtEntry: the return address is on top of the stack, as a push of the frame pointer or an endbr64 tells.
	AtEntry bool
	// Lower is by how many bytes the stack pointer is lower where the program is called than at the instruction.
	Lower int64
	// Count says that the program does nothing but count; nil: it does more.
	Count *Count
	// Pad is where hits go on to that the program decides to hand on, all of them when Gate is 0; 0: it hands none on. Hits come back behind
	// the site's code (Window.Behind), with every register as the site has it.
	Pad uint64
}

// Instructions are a window's own, written for another place, in pieces: those before the first site, then from each site to the
// next. The last ends by itself.
type Instructions interface {
	Emit(n int, at uint64) ([]byte, error)
}

// Window is the code for a window: one jump leads to its start.
type Window struct {
	Bytes  []byte
	Pieces []uint64 // addresses of the instructions' pieces
	Sites  []uint64 // of the code of each site
	Behind []uint64 // and behind it
	Bypass uint64   // where the instructions are once more, without any site
}

const (
	// mostStub is how long the code of a site is at most, siteData what is kept of it.
	mostStub = 256
	siteData = 48
)

// Room is how much code a window takes at most whose instructions take so many bytes elsewhere.
func Room(instructions, sites int) int { return 2*instructions + sites*(mostStub+siteData) + 8 }

// stubNop is the nop behind the call, whose last four bytes say how far the site's data are from it: nopl disp32(%rax).
const stubNop = 7

// Build writes a window's code for an address.
func Build(at uint64, in Instructions, sites []Site, p Process, golang bool) (Window, error) {
	var w Window
	var nops []int
	for n := 0; n <= len(sites); n++ {
		here := at + uint64(len(w.Bytes))
		if n > 0 {
			w.Sites = append(w.Sites, here)
			stub, nop, err := stub(here, p, &sites[n-1], golang)
			if err == nil && len(stub) > mostStub {
				err = errors.New("a site takes more code than is reckoned with")
			}
			if err != nil {
				return w, err
			}
			nops = append(nops, len(w.Bytes)+nop)
			w.Bytes = append(w.Bytes, stub...)
			here = at + uint64(len(w.Bytes))
			w.Behind = append(w.Behind, here)
		}
		w.Pieces = append(w.Pieces, here)
		code, err := in.Emit(n, here)
		if err != nil {
			return w, err
		}
		w.Bytes = append(w.Bytes, code...)
	}
	w.Bypass = at + uint64(len(w.Bytes))
	for n := 0; n <= len(sites); n++ {
		code, err := in.Emit(n, at+uint64(len(w.Bytes)))
		if err != nil {
			return w, err
		}
		w.Bytes = append(w.Bytes, code...)
	}
	for len(w.Bytes)%8 != 0 {
		w.Bytes = append(w.Bytes, 0xcc)
	}
	for i, s := range sites {
		if s.Gate == 0 {
			continue
		}
		binary.LittleEndian.PutUint32(w.Bytes[nops[i]+stubNop-4:], uint32(len(w.Bytes)-nops[i]))
		atEntry := uint64(0)
		if s.AtEntry {
			atEntry = 1
		}
		for _, word := range []uint64{s.Program, s.PC, s.Function, s.Cookie, atEntry, uint64(s.Lower)} {
			w.Bytes = binary.LittleEndian.AppendUint64(w.Bytes, word)
		}
	}
	return w, nil
}

// stub calls the gate, and gives the place of its nop. Where there is only something to count, it counts first, and leaves to the gate
// what it cannot do.
func stub(at uint64, p Process, s *Site, golang bool) (code []byte, nop int, err error) {
	c := &x86.Code{}
	if s.Gate == 0 {
		c.JmpTo(s.Pad)
		code, err = c.Assemble(at)
		return code, 0, err
	}
	done := c.Label()
	if s.Count != nil {
		s.Count.write(c, p, golang, done)
	} else if !golang {
		c.Lea(x86.RSP, x86.At(x86.RSP, -Red))
	}
	c.CallTo(s.Gate)
	after := c.Here()
	c.Raw(0x0f, 0x1f, 0x80, 0, 0, 0, 0)
	if !golang {
		c.Lea(x86.RSP, x86.At(x86.RSP, Red))
	}
	on := after
	if s.Pad != 0 {
		c.Jmp(done)
		on = c.Here()
		if !golang {
			c.Lea(x86.RSP, x86.At(x86.RSP, Red))
		}
		c.JmpTo(s.Pad)
	}
	c.Bind(done)
	code, err = c.Assemble(at)
	if err == nil && s.Pad != 0 && c.Offset(on)-c.Offset(after) != int(taken(golang)) {
		err = errors.New("the way on is not where gates return to")
	}
	return code, c.Offset(after), err
}

// taken is how far behind the call a gate returns to for a hit that goes on: past the nop, and what a hit that does not runs into.
func taken(golang bool) int32 {
	const back, over = 8, 2 // lea 128(%rsp),%rsp; jmp rel8
	if golang {
		return stubNop + over
	}
	return stubNop + back + over
}

// PadSize is the room that a pad takes, PadLen how much of it is code: it lies where the kernel's probes can be put.
const (
	PadSize = 16
	PadLen  = 6
)

// Pad writes a pad: an instruction that does nothing, which the kernel acts out where it is probed, and the way back. It is the short nop on
// purpose. Of the one with five bytes newer kernels make a call, which writes below the stack pointer, where the red zone is, and leads nowhere
// in a child that is forked (Linux 6.18).
func Pad(at, behind uint64) ([]byte, error) {
	c := &x86.Code{}
	c.Nop(1)
	c.JmpTo(behind)
	return c.Assemble(at)
}
