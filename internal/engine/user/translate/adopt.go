package translate

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/cilium/ebpf/asm"
)

// userStackOnly is the only way in which get_stack is offered: BPF_F_USER_STACK, nothing skipped.
const userStackOnly = 1 << 8

// Adopt brings a program that others wrote, and that the kernel's verifier has taken, into the form that Translate takes. Branches that constant data
// decide are decided. Reads of memory become reads of the process's memory, where a pointer to nowhere is an error and no fault. What is left and cannot
// run in a process is refused by its name.
func Adopt(ins asm.Instructions, constant Constant) (asm.Instructions, error) {
	list, err := decode(ins)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("an empty program")
	}
	before := evaluate(list, constant)
	out := make(asm.Instructions, len(ins))
	for i := range list {
		in := &list[i]
		jumps, decided := in.decide(&before[i])
		switch {
		case !before[i].seen && i+1 == len(list):
			out[i] = asm.Return().WithSymbol(ins[i].Symbol()) // nothing to go on to
		case !before[i].seen:
			out[i] = nothing(ins[i])
		case decided && jumps:
			out[i] = asm.Instruction{OpCode: asm.Ja.Op(asm.ImmSource), Offset: ins[i].Offset, Metadata: ins[i].Metadata}
		case decided:
			out[i] = nothing(ins[i])
		default:
			if err := in.offered(&before[i], ins[i].Reference()); err != nil {
				return nil, err
			}
			out[i] = ofProcess(ins[i])
		}
	}
	return out, nil
}

// nothing is an instruction of the same length that does nothing. Where it comes to be run, it is one that has one way only.
func nothing(old asm.Instruction) asm.Instruction {
	if old.OpCode.IsDWordLoad() {
		return asm.LoadImm(asm.R0, 0, asm.DWord).WithSymbol(old.Symbol())
	}
	return asm.Instruction{OpCode: asm.Ja.Op(asm.ImmSource)}.WithSymbol(old.Symbol())
}

// ofProcess makes reads of memory that may be the kernel's those of the process's: on x86 the kernel's helpers tell by the address.
func ofProcess(ins asm.Instruction) asm.Instruction {
	if !ins.IsBuiltinCall() {
		return ins
	}
	switch asm.BuiltinFunc(ins.Constant) {
	case asm.FnProbeRead, asm.FnProbeReadKernel:
		ins.Constant = int64(asm.FnProbeReadUser)
	case asm.FnProbeReadStr, asm.FnProbeReadKernelStr:
		ins.Constant = int64(asm.FnProbeReadUserStr)
	}
	return ins
}

// offered refuses what there is in the kernel alone.
func (in *inst) offered(v *values, reference string) error {
	switch {
	case in.class() == classLD && in.src == wideVariable:
		return errors.New("it reads a variable of the kernel")
	case in.class() == classLD && in.src == wideFunction:
		return errors.New("it has the kernel call a function of its own")
	case !in.isCall() || in.callsOwn():
		return nil
	case in.src != 0:
		return fmt.Errorf("it calls the kernel's function %s", reference)
	}
	fn := asm.BuiltinFunc(in.imm)
	switch fn {
	case asm.FnMapLookupElem, asm.FnMapUpdateElem, asm.FnMapDeleteElem, asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufSubmit, asm.FnRingbufDiscard,
		asm.FnRingbufQuery, asm.FnPerfEventOutput, asm.FnTracePrintk, asm.FnTraceVprintk, asm.FnProbeRead, asm.FnProbeReadStr, asm.FnProbeReadUser,
		asm.FnProbeReadUserStr, asm.FnProbeReadKernel, asm.FnProbeReadKernelStr, asm.FnCopyFromUser, asm.FnKtimeGetNs, asm.FnGetPrandomU32,
		asm.FnGetSmpProcessorId, asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid, asm.FnGetCurrentComm, asm.FnGetAttachCookie, asm.FnGetFuncIp:
		return nil
	case asm.FnGetStack:
		if v.regs[4] == (value{kind: aNumber, n: userStackOnly}) {
			return nil
		}
		return errors.New("it calls bpf_get_stack for other than the whole stack of the process")
	}
	return fmt.Errorf("it calls %s", helperName(fn))
}

// helperName is the name of a helper in C.
func helperName(fn asm.BuiltinFunc) string {
	name, found := strings.CutPrefix(fn.String(), "Fn")
	if !found {
		return fmt.Sprintf("helper %d", int32(fn))
	}
	var b strings.Builder
	b.WriteString("bpf")
	for _, c := range name {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
