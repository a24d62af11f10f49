package translate

import (
	"errors"
	"fmt"
)

// Operations of arithmetic instructions and of jumps.
const (
	opAdd, opSub, opMul, opDiv, opOr, opAnd, opLsh, opRsh    = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
	opNeg, opMod, opXor, opMov, opArsh, opEnd                = 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0
	opJa, opJeq, opJgt, opJge, opJset, opJne, opJsgt, opJsge = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
	opCall, opExit, opJlt, opJle, opJslt, opJsle, opMayGoto  = 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0

	frameRegister = 10
	stackSize     = 512 // MAX_BPF_STACK
)

// check refuses an instruction that is not exactly one of those that are translated. What it takes is what the kernel's verifier takes
// of an instruction by itself (check_alu_op, check_cond_jmp_op, check_atomic in kernel/bpf/verifier.c).
func (in *inst) check() error {
	if in.dst > frameRegister || in.src > frameRegister {
		return fmt.Errorf("register %d", max(in.dst, in.src))
	}
	var err error
	switch in.class() {
	case classALU, classALU64:
		err = in.checkALU()
	case classJMP, classJMP32:
		err = in.checkJump()
	case classLD:
		err = in.checkWide()
	case classLDX:
		if in.imm != 0 || in.mode() != modeMEM && (in.mode() != modeMEMSX || in.width() == 8) {
			err = in.unknown()
		}
	case classST:
		if in.src != 0 || in.mode() != modeMEM {
			err = in.unknown()
		}
	case classSTX:
		err = in.checkStore()
	}
	if err == nil && in.dst == frameRegister && in.writes() {
		err = errors.New("a change of the frame pointer")
	}
	return err
}

func (in *inst) unknown() error {
	return fmt.Errorf("unknown operation: code %#02x, offset %d, constant %d", in.op, in.off, in.imm)
}

// writes reports whether dst is changed.
func (in *inst) writes() bool {
	c := in.class()
	return c == classALU || c == classALU64 || c == classLD || c == classLDX
}

func (in *inst) checkALU() error {
	bits := int32(32)
	if in.class() == classALU64 {
		bits = 64
	}
	if in.fromReg() && in.imm != 0 && in.code() != opEnd || !in.fromReg() && in.src != 0 {
		return in.unknown()
	}
	switch in.code() {
	case opAdd, opSub, opMul, opOr, opAnd, opXor:
	case opLsh, opRsh, opArsh:
		if !in.fromReg() && (in.imm < 0 || in.imm >= bits) {
			return fmt.Errorf("a shift by %d", in.imm)
		}
	case opDiv, opMod:
		if !in.fromReg() && in.imm == 0 {
			return errors.New("a division by the constant 0")
		}
		if in.off == 1 {
			return nil
		}
	case opNeg:
		if in.fromReg() || in.imm != 0 {
			return in.unknown()
		}
	case opMov:
		if in.fromReg() && (in.off == 8 || in.off == 16 || in.off == 32 && bits == 64) {
			return nil
		}
	case opEnd:
		if in.imm != 16 && in.imm != 32 && in.imm != 64 || bits == 64 && in.fromReg() || in.src != 0 {
			return in.unknown()
		}
	default:
		return in.unknown()
	}
	if in.off != 0 {
		return in.unknown()
	}
	return nil
}

func (in *inst) checkJump() error {
	wide := in.class() == classJMP
	switch in.code() {
	case opJa:
		if in.fromReg() || in.dst != 0 || in.src != 0 || wide && in.imm != 0 || !wide && in.off != 0 {
			return in.unknown()
		}
	case opCall:
		if !in.isCall() || in.dst != 0 || in.off != 0 && in.src != 2 {
			return in.unknown()
		}
	case opExit:
		if !in.isExit() || in.dst != 0 || in.src != 0 || in.off != 0 || in.imm != 0 {
			return in.unknown()
		}
	case opMayGoto:
		if !wide || in.fromReg() || in.dst != 0 || in.src != 0 || in.imm != 0 {
			return in.unknown()
		}
	case opJeq, opJgt, opJge, opJset, opJne, opJsgt, opJsge, opJlt, opJle, opJslt, opJsle:
		if in.fromReg() && in.imm != 0 || !in.fromReg() && in.src != 0 {
			return in.unknown()
		}
	default:
		return in.unknown()
	}
	return nil
}

// What is called: a helper by its number, a function of the program, or one of the kernel's (BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL).
const (
	callOwn    = 1
	callKernel = 2
)

// Sources of a 64-bit load.
const (
	wideNumber   = 0
	wideMap      = 1 // BPF_PSEUDO_MAP_FD
	wideMapValue = 2 // BPF_PSEUDO_MAP_VALUE
	wideVariable = 3 // BPF_PSEUDO_BTF_ID
	wideFunction = 4 // BPF_PSEUDO_FUNC
)

func (in *inst) checkWide() error {
	if in.op != loadImm64 || in.off != 0 || in.src > wideMapValue {
		return in.unknown()
	}
	if in.src != wideNumber && in.ref == "" {
		return errors.New("a map that has no name")
	}
	return nil
}

func (in *inst) checkStore() error {
	switch in.mode() {
	case modeMEM:
		if in.imm != 0 {
			return in.unknown()
		}
		return nil
	case modeATOMIC:
		return in.checkAtomic()
	}
	return in.unknown()
}

// Atomic operations, in the constant; the four of arithmetic may fetch what was there.
const (
	atomicFetch        = 0x01
	atomicXchg         = 0xe1
	atomicCmpxchg      = 0xf1
	atomicLoadAcquire  = 0x100
	atomicStoreRelease = 0x110
)

func (in *inst) checkAtomic() error {
	switch in.imm {
	case atomicLoadAcquire, atomicStoreRelease:
		return nil
	case opAdd, opAnd, opOr, opXor, opAdd | atomicFetch, opAnd | atomicFetch, opOr | atomicFetch, opXor | atomicFetch, atomicXchg, atomicCmpxchg:
		if in.width() >= 4 {
			return nil
		}
	}
	return in.unknown()
}
