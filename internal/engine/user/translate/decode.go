package translate

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Codes of instructions, as the kernel's Documentation/bpf/standardization/instruction-set.rst has them.
const (
	classLD, classLDX, classST, classSTX       = 0, 1, 2, 3
	classALU, classJMP, classJMP32, classALU64 = 4, 5, 6, 7

	sourceRegister = 0x08
	modeIMM        = 0x00
	modeMEM        = 0x60
	modeMEMSX      = 0x80
	modeATOMIC     = 0xc0
	loadImm64      = 0x18 // LD | IMM | DW
)

// inst is one instruction, a 64-bit load being one too.
type inst struct {
	op       uint8
	dst, src uint8
	off      int16
	imm      int32
	wide     uint64 // of a 64-bit load
	ref      string // the map of a 64-bit load
	at       int    // place of the instruction, counted as jumps count
	to       int    // index of the instruction that a jump goes to, or the call of a function
	symbol   string // that a jump refers to
}

func (in *inst) class() uint8 { return in.op & 7 }
func (in *inst) isJump() bool { return in.class() == classJMP || in.class() == classJMP32 }

// code is the operation of an arithmetic instruction or a jump.
func (in *inst) code() uint8     { return in.op & 0xf0 }
func (in *inst) fromReg() bool   { return in.op&sourceRegister != 0 }
func (in *inst) mode() uint8     { return in.op & 0xe0 }
func (in *inst) isCall() bool    { return in.op == classJMP|opCall }
func (in *inst) callsOwn() bool  { return in.isCall() && in.src == callOwn } // a function of the program
func (in *inst) isExit() bool    { return in.op == classJMP|opExit }
func (in *inst) branches() bool  { return in.isJump() && !in.isCall() && !in.isExit() }
func (in *inst) fallsThru() bool { return !in.isExit() && !(in.branches() && in.code() == opJa) }

// width is the number of bytes that a load or store moves.
func (in *inst) width() int {
	return [...]int{4, 2, 1, 8}[in.op>>3&3]
}

// decode brings instructions into the form of the machine, where nothing is left to interpretation, and finds where jumps go.
func decode(ins asm.Instructions) ([]inst, error) {
	list := make([]inst, 0, len(ins))
	index := map[int]int{}
	symbols := map[string]int{}
	at := 0
	for i := range ins {
		in, err := decodeOne(&ins[i])
		if err != nil {
			return nil, fmt.Errorf("instruction %d: %w", at, err)
		}
		in.at = at
		index[at] = i
		if s := ins[i].Symbol(); s != "" {
			symbols[s] = i
		}
		list = append(list, in)
		at += int(ins[i].Width())
	}
	for i := range list {
		if err := list[i].resolve(index, symbols); err != nil {
			return nil, list[i].wrong(err)
		}
	}
	return list, nil
}

func (in *inst) wrong(err error) error { return fmt.Errorf("instruction %d: %w", in.at, err) }

func decodeOne(ins *asm.Instruction) (inst, error) {
	var b bytes.Buffer
	if _, err := ins.Marshal(&b, binary.LittleEndian); err != nil {
		return inst{}, err
	}
	raw := b.Bytes()
	in := inst{op: raw[0], dst: raw[1] & 15, src: raw[1] >> 4, off: int16(binary.LittleEndian.Uint16(raw[2:])),
		imm: int32(binary.LittleEndian.Uint32(raw[4:]))}
	if in.op == loadImm64 {
		in.wide = uint64(ins.Constant)
		in.ref = ins.Reference()
	}
	if in.class() == classSTX && in.mode() == modeATOMIC {
		// The operation may be in the opcode only: cilium/ebpf 0.22 writes what is in the constant.
		if op := ins.OpCode.AtomicOp(); op != 0 {
			in.imm = int32(op >> 8)
		}
	}
	if in.branches() || in.isCall() {
		in.symbol = ins.Reference()
	}
	return in, nil
}

// resolve finds the instruction that a jump goes to.
func (in *inst) resolve(index map[int]int, symbols map[string]int) error {
	if !in.branches() && !in.callsOwn() {
		return nil
	}
	if in.symbol != "" {
		to, ok := symbols[in.symbol]
		if !ok {
			return fmt.Errorf("a way to %s, which is nowhere", in.symbol)
		}
		in.to = to
		return nil
	}
	distance := int(in.off)
	if in.op == classJMP32|opJa || in.isCall() {
		distance = int(in.imm)
	}
	to, ok := index[in.at+1+distance]
	if !ok {
		return fmt.Errorf("a jump out of the program, to %d", in.at+1+distance)
	}
	in.to = to
	return nil
}
