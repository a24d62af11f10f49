package relocate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/sonde-project/sonde/internal/site"
)

const (
	opJump   = 0xe9
	opTwo    = 0x0f // first byte of the two-byte opcodes
	opCond32 = 0x80 // second byte of jcc rel32, condition in the low half
	opCond8  = 0x70

	pushLen = 5 + 7 + 8
	callLen = pushLen + JumpLen
)

// displacement is the number that a branch or a memory operand relative to rip carries.
func displacement(next, target uint64) (int32, error) {
	d := int64(target - next)
	if d < math.MinInt32 || d > math.MaxInt32 {
		return 0, &FarError{From: next, To: target}
	}
	return int32(d), nil
}

func appendJump(out []byte, at, target uint64) ([]byte, error) {
	d, err := displacement(at+JumpLen, target)
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint32(append(out, opJump), uint32(d)), nil
}

// Jump is jmp rel32 from one address to another.
func Jump(from, to uint64) ([JumpLen]byte, error) {
	code, err := appendJump(nil, from, to)
	if err != nil {
		return [JumpLen]byte{}, err
	}
	return [JumpLen]byte(code), nil
}

// JumpTarget reads such a jump.
func JumpTarget(at uint64, code []byte) (uint64, bool) {
	if len(code) < JumpLen || code[0] != opJump {
		return 0, false
	}
	return at + JumpLen + uint64(int64(int32(binary.LittleEndian.Uint32(code[1:])))), true
}

// condition gives a conditional jump's condition; ok is false for those that test no flags (loop, jrcxz, xbegin).
func condition(in site.Inst) (byte, bool) {
	off, n := in.Relative()
	if off == 0 {
		return 0, false
	}
	op := in.Bytes()[off-1]
	switch {
	case n == 1 && op&0xf0 == opCond8:
		return op & 0xf, true
	case n == 4 && off >= 2 && in.Bytes()[off-2] == opTwo && op&0xf0 == opCond32:
		return op & 0xf, true
	}
	return 0, false
}

// movedLen is the length of an instruction's copy, wherever it lies.
func movedLen(in site.Inst) int {
	switch in.Flow {
	case site.Jump:
		return JumpLen
	case site.CondJump:
		return 6
	case site.Call:
		return callLen
	case site.CallIndirect:
		return pushLen + in.Len
	}
	return in.Len
}

var errLoop = errors.New("it jumps by a counter, which has no long form")

// move writes one instruction of a window that runs at base for the address at.
func move(in site.Inst, base, at uint64) ([]byte, error) {
	target := base + uint64(in.Target)
	switch in.Flow {
	case site.Jump:
		return appendJump(nil, at, target)
	case site.CondJump:
		cond, ok := condition(in)
		if !ok {
			return nil, errLoop
		}
		d, err := displacement(at+6, target)
		if err != nil {
			return nil, err
		}
		return binary.LittleEndian.AppendUint32([]byte{opTwo, opCond32 | cond}, uint32(d)), nil
	case site.Call:
		return appendJump(pushReturn(base+in.End()), at+pushLen, target)
	case site.CallIndirect:
		code, err := moveOperand(in, base, at+pushLen)
		if err != nil {
			return nil, err
		}
		code[modRMOfIndirect(in)] ^= 0x30 // /2, call, becomes /4, jmp
		return append(pushReturn(base+in.End()), code...), nil
	}
	return moveOperand(in, base, at)
}

// moveOperand writes an instruction that goes on to the next: only a memory operand relative to rip has to change.
func moveOperand(in site.Inst, base, at uint64) ([]byte, error) {
	out := append([]byte(nil), in.Bytes()...)
	off, n := in.Relative()
	if n == 0 {
		return out, nil
	}
	if n != 4 {
		return nil, fmt.Errorf("a displacement of %d bytes", n)
	}
	old := int32(binary.LittleEndian.Uint32(out[off:]))
	d, err := displacement(at+uint64(in.Len), base+in.End()+uint64(int64(old)))
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(out[off:], uint32(d))
	return out, nil
}

// pushReturn begins a call that returns to where the original one would: the callee, the unwinder and anyone who looks at the stack
// see what they would have seen. Flags stay as they are.
//
//	lea  -8(%rsp),%rsp
//	movl $low, (%rsp)
//	movl $high,4(%rsp)
func pushReturn(ret uint64) []byte {
	out := []byte{0x48, 0x8d, 0x64, 0x24, 0xf8, 0xc7, 0x04, 0x24}
	out = binary.LittleEndian.AppendUint32(out, uint32(ret))
	out = append(out, 0xc7, 0x44, 0x24, 0x04)
	return binary.LittleEndian.AppendUint32(out, uint32(ret>>32))
}

// modRMOfIndirect is the place of the ModRM byte of ff /2: behind prefixes and REX comes the one-byte opcode.
func modRMOfIndirect(in site.Inst) int {
	for i, b := range in.Bytes() {
		if b == 0xff {
			return i + 1
		}
	}
	return 0
}

// usesStack reports whether an indirect call finds its target through rsp, which pushing the return address has moved.
func usesStack(in site.Inst) bool {
	code := in.Bytes()[modRMOfIndirect(in):]
	if code[0]&7 != 4 {
		return false
	}
	return code[0]>>6 == 3 || len(code) > 1 && code[1]&7 == 4
}

// ends reports whether control never goes on behind an instruction, or not behind its copy: a moved call returns to the original.
func ends(in site.Inst) bool {
	switch in.Flow {
	case site.Jump, site.JumpIndirect, site.Return, site.Stop, site.Call, site.CallIndirect:
		return true
	}
	return false
}

// refusal says why an instruction cannot be moved, "" when it can.
func refusal(in site.Inst) string {
	code := in.Bytes()
	for len(code) > 1 && (code[0] == 0x66 || code[0] == 0xf2 || code[0] == 0xf3 || code[0] == 0x2e || code[0] == 0x3e) {
		code = code[1:]
	}
	switch {
	case code[0] == opTwo && len(code) > 1 && (code[1] == 0x05 || code[1] == 0x34 || code[1] == 0x07 || code[1] == 0x35):
		return "is a system call"
	case code[0] == 0xcc || code[0] == 0xcd || code[0] == 0xf1:
		return "is a trap"
	case in.Flow == site.CondJump:
		if _, ok := condition(in); !ok {
			return "jumps by a counter, which has no long form"
		}
	case in.Flow == site.Stop:
		return "is a trap"
	case in.Flow == site.CallIndirect && (in.Bytes()[modRMOfIndirect(in)]>>3&7 != 2 || usesStack(in)):
		return "calls through the stack pointer"
	case (in.Flow == site.Jump || in.Flow == site.Call) && in.Bytes()[0] == 0x66:
		return "is a branch of 16 bits"
	}
	return ""
}
