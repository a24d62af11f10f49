package shm

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// A line that a program writes by bpf_trace_printk or bpf_trace_vprintk is a record of the ring LinesMap: what it is made of, as it was at the
// moment of writing. Whoever reads it puts it together.
//
//	0    u64 monotonic time
//	8    u64 process << 32 | thread
//	16   the thread's name
//	32   u64 arguments
//	128  u32 bytes of the format, u32 arguments given
//	136  the format
//	392  what each argument would be as text, up to a NUL
const (
	lineIDs    = 8
	lineName   = 16
	lineArgs   = 32
	lineLength = 128
	lineCount  = 132
	lineFormat = 136
	lineTexts  = lineFormat + lineLongest
	lineSize   = lineTexts + LineArgs*LineText

	lineLongest = 256
	// LineArgs is how many arguments a line has at most (MAX_BPRINTF_VARARGS).
	LineArgs = 12
	// LineText is how many bytes an argument has as text, with its NUL.
	LineText = 128
)

// LinesMap is the ring of lines; without it nothing can be written.
const LinesMap = "lines"

// Line is a line that was read.
type Line struct {
	Time, IDs uint64
	Name      []byte // of 16 bytes
	Format    string
	Args      []uint64
	Texts     [][]byte // up to a NUL
}

// ReadLine takes a record of LinesMap apart.
func ReadLine(record []byte) (Line, bool) {
	if len(record) != lineSize {
		return Line{}, false
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(record[at:]) }
	l := Line{Time: word(0), IDs: word(lineIDs), Name: record[lineName:lineArgs]}
	length, count := binary.LittleEndian.Uint32(record[lineLength:]), binary.LittleEndian.Uint32(record[lineCount:])
	l.Format = string(record[lineFormat:][:min(length, lineLongest)])
	for i := range int(min(count, LineArgs)) {
		l.Args = append(l.Args, word(lineArgs+8*i))
		l.Texts = append(l.Texts, record[lineTexts+LineText*i:][:LineText])
	}
	return l, true
}

// print is bpf_trace_printk: the format at RDI, ESI bytes, and the arguments RDX, RCX and R8. line is writeLine.
func (o *ringRoutine) print(line x86.Label) {
	o.OpImm(x86.Sub, x86.Quad, x86.RSP, 24)
	for i, r := range []x86.Reg{x86.RDX, x86.RCX, x86.R8} {
		o.Store(x86.Quad, x86.At(x86.RSP, int32(8*i)), r)
	}
	o.Mov(x86.Quad, x86.RDX, x86.RSP)
	o.MovImm(x86.RCX, 24)
	o.Call(line)
	o.OpImm(x86.Add, x86.Quad, x86.RSP, 24)
	o.Ret()
}

// writeLine is bpf_trace_vprintk: the format at RDI, ESI bytes, and the ECX bytes of arguments at RDX.
//
//	rbx  the record      r12  the format    r13  its bytes
//	r14  the arguments   r15  how many      rbp  the context
func (o *ringRoutine) writeLine(reserve, clock, comm, text x86.Label) {
	full, each, texts, done := o.Label(), o.Label(), o.Label(), o.Label()
	regs := []x86.Reg{x86.RBX, x86.R12, x86.R13, x86.R14, x86.R15, x86.RBP}
	for _, r := range regs {
		o.Push(r)
	}
	o.Mov(x86.Quad, x86.R12, x86.RDI)
	o.Mov(x86.Word, x86.R13, x86.RSI)
	o.Mov(x86.Quad, x86.R14, x86.RDX)
	o.Mov(x86.Word, x86.R15, x86.RCX)
	o.ShiftImm(x86.Shr, x86.Word, x86.R15, 3)
	o.Mov(x86.Quad, x86.RBP, x86.R9)
	o.most(x86.R13, lineLongest)
	o.most(x86.R15, LineArgs)
	o.MovImm(x86.RSI, lineSize)
	o.Call(reserve)
	o.Test(x86.Quad, x86.RAX, x86.RAX)
	o.Jcc(x86.Equal, full)
	o.Mov(x86.Quad, x86.RBX, x86.RAX)
	o.Call(clock)
	o.Store(x86.Quad, x86.At(x86.RBX, 0), x86.RAX)
	o.Mov(x86.Quad, x86.R9, x86.RBP)
	o.slot()
	o.Call(o.ids)
	o.Store(x86.Quad, x86.At(x86.RBX, lineIDs), x86.RAX)
	o.Mov(x86.Quad, x86.R9, x86.RBP)
	o.Lea(x86.RDI, x86.At(x86.RBX, lineName))
	o.MovImm(x86.RSI, lineArgs-lineName)
	o.Call(comm)
	o.Store(x86.Word, x86.At(x86.RBX, lineLength), x86.R13)
	o.Store(x86.Word, x86.At(x86.RBX, lineCount), x86.R15)
	o.Lea(x86.RDI, x86.At(x86.RBX, lineFormat))
	o.Mov(x86.Quad, x86.RSI, x86.R12)
	o.Mov(x86.Word, x86.RCX, x86.R13)
	o.Call(o.move)
	o.Lea(x86.RDI, x86.At(x86.RBX, lineArgs))
	o.Mov(x86.Quad, x86.RSI, x86.R14)
	o.Lea(x86.RCX, x86.AtIndex(x86.R15, x86.R15, 1, 0))
	o.ShiftImm(x86.Shl, x86.Word, x86.RCX, 2)
	o.Call(o.move)
	// Text is read only where the format has an s: R13 counts down to 0 where it has none.
	o.Bind(each)
	o.OpImm(x86.Sub, x86.Quad, x86.R13, 1)
	o.Jcc(x86.Below, done)
	o.Load(x86.Byte, x86.RAX, x86.AtIndex(x86.R12, x86.R13, 1, 0))
	o.OpImm(x86.Cmp, x86.Word, x86.RAX, 's')
	o.Jcc(x86.NotEqual, each)
	o.Bind(texts)
	o.OpImm(x86.Sub, x86.Quad, x86.R15, 1)
	o.Jcc(x86.Below, done)
	o.IMulImm(x86.Quad, x86.RDI, x86.R15, LineText)
	o.Lea(x86.RDI, x86.AtIndex(x86.RBX, x86.RDI, 1, lineTexts))
	o.MovImm(x86.RSI, LineText)
	o.Load(x86.Quad, x86.RDX, x86.AtIndex(x86.RBX, x86.R15, 8, lineArgs))
	o.Mov(x86.Quad, x86.R9, x86.RBP)
	o.Call(text)
	o.Jmp(texts)
	o.Bind(done)
	o.Load(x86.Word, x86.RAX, x86.At(x86.RBX, -ringHeader))
	o.OpImm(x86.And, x86.Word, x86.RAX, ringLength)
	o.OpImm(x86.Or, x86.Word, x86.RAX, ringDone)
	o.Store(x86.Word, x86.At(x86.RBX, -ringHeader), x86.RAX)
	o.MovImm(x86.RAX, 0)
	o.Bind(full)
	for i := len(regs) - 1; i >= 0; i-- {
		o.Pop(regs[i])
	}
	o.Ret()
}

// most bounds a register. RAX is lost.
func (w *routine) most(r x86.Reg, n uint64) {
	w.MovImm(x86.RAX, n)
	w.Op(x86.Cmp, x86.Quad, r, x86.RAX)
	w.Cmov(x86.Above, x86.Quad, r, x86.RAX)
}
