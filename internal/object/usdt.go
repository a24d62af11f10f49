package object

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// Programs on static probes that are written with libbpf's usdt.bpf.h find their arguments by a map of specifications, one per way in
// which a site passes its arguments. The site's cookie is the index of its specification. Names and members are those of that header; what
// a member holds is said there:
//
//	struct __bpf_usdt_spec { struct __bpf_usdt_arg_spec args[12]; u64 usdt_cookie; short arg_cnt; }
//
// Members are found by BTF, because the header has changed and objects carry the one that they were compiled with.
const (
	// SpecsMap is the map of specifications.
	SpecsMap   = "__bpf_usdt_specs"
	addressMap = "__bpf_usdt_ip_to_spec_id" // for kernels without cookies
	cookieMap  = ".sonde/kconfig"
	hasCookie  = "LINUX_HAS_BPF_COOKIE"
)

// Values of enum __bpf_usdt_arg_type; argNone is beyond all that the header knows, so that the helper gives an error.
const (
	argConst = iota
	argRegister
	argMemory
	argIndexed
	argNone
)

// registerOffset gives the place of a register in struct pt_regs; an engine knows it.
type registerOffset func(symbol.USDTArg) (base, index int, ok bool)

// StaticSpec writes the specification of a site for the object's header. ip is where struct pt_regs has the instruction pointer.
// Arguments that this header cannot express read as an error inside the program, never as a number.
func (o *Object) StaticSpec(note *symbol.USDT, registers registerOffset, ip int) ([]byte, error) {
	m := o.Spec.Maps[SpecsMap]
	if m == nil {
		return nil, nil // a program that asks for no arguments
	}
	spec, ok := btf.UnderlyingType(m.Value).(*btf.Struct)
	if !ok {
		return nil, badHeader("the map has no type")
	}
	b := make([]byte, m.ValueSize)
	args, ok := memberOf(spec, "args")
	count, ok2 := memberOf(spec, "arg_cnt")
	list, ok3 := btf.UnderlyingType(args.Type).(*btf.Array)
	if !ok || !ok2 || !ok3 {
		return nil, badHeader("struct __bpf_usdt_spec has other members")
	}
	size, err := btf.Sizeof(list.Type)
	if err != nil {
		return nil, badHeader(err.Error())
	}
	n := min(len(note.Args), int(list.Nelems))
	put(b[count.Offset/8:][:2], uint64(n))
	for i := range n {
		if err := putArg(list.Type, b[int(args.Offset)/8+i*size:][:size], note.Args[i], note.Addr, registers, ip); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// putArg writes struct __bpf_usdt_arg_spec.
func putArg(t btf.Type, b []byte, a symbol.USDTArg, site symbol.Addr, registers registerOffset, ip int) error {
	kind, offset, index, value := argNone, 0, 0, a.Disp
	base, second, ok := registers(a)
	switch {
	case a.Float || a.Shift != 0:
	case a.Kind == symbol.OperandConst:
		kind = argConst
	case a.Kind == symbol.OperandRegister && ok:
		kind, offset, value = argRegister, base, 0
	case a.Kind == symbol.OperandMemory && a.HasReg && !a.HasIndex && ok:
		kind, offset = argMemory, base
	case a.Kind == symbol.OperandMemory && a.HasReg && a.HasIndex && ok:
		kind, offset, index = argIndexed, base, second
	case a.Kind == symbol.OperandAddress: // the instruction pointer is at the site
		kind, offset, value = argMemory, ip, int64(a.Addr)-int64(site)
	}
	inner, ok := btf.UnderlyingType(t).(*btf.Struct)
	if !ok {
		return badHeader("an argument is no structure")
	}
	if _, has := memberOf(inner, "idx_reg_off"); kind == argIndexed && !has {
		kind = argNone
	}
	signed := uint64(0)
	if a.Signed {
		signed = 1
	}
	for name, bits := range map[string]uint64{
		"val_off": uint64(value), "arg_type": uint64(kind), "reg_off": uint64(offset), "arg_signed": signed,
		"arg_bitshift": uint64(64 - 8*a.Size), "idx_reg_off": uint64(index), "scale_bitshift": uint64(scaleShift(a.Scale)),
	} {
		m, ok := memberOf(inner, name)
		if !ok {
			if name == "idx_reg_off" || name == "scale_bitshift" {
				continue
			}
			return badHeader("struct __bpf_usdt_arg_spec has no " + name)
		}
		putMember(b, m, bits)
	}
	return nil
}

// scaleShift is the power of two that an index is multiplied by.
func scaleShift(scale int64) int {
	shift := 0
	for s := scale; s > 1; s >>= 1 {
		shift++
	}
	return shift
}

// putMember writes a number into a member, a bit-field or not.
func putMember(b []byte, m btf.Member, bits uint64) {
	width := int(m.BitfieldSize)
	if width == 0 {
		if size, err := btf.Sizeof(m.Type); err == nil {
			width = 8 * size
		}
	}
	for i := range width {
		at := int(m.Offset) + i
		b[at/8] = b[at/8]&^(1<<(at%8)) | byte(bits>>i&1)<<(at%8)
	}
}

func badHeader(why string) error {
	return &script.Diagnostic{Code: BadObject, Message: "the object's usdt.bpf.h is none that is known here: " + why}
}

// settleKconfig tells programs that the kernel has cookies, which only a loader knows: of the library's variables of the kernel's
// configuration it is none. Loads of the variable are pointed at a map of ours.
func (o *Object) settleKconfig() error {
	var sec *btf.Datasec
	if o.Spec.Types == nil || o.Spec.Types.TypeByName(".kconfig", &sec) != nil {
		return nil
	}
	cookie, other := false, ""
	for _, v := range sec.Vars {
		if name := v.Type.TypeName(); name == hasCookie {
			cookie = true
		} else {
			other = name
		}
	}
	if !cookie {
		return nil
	}
	if other != "" {
		return &script.Diagnostic{Code: BadObject, Message: "the object asks for " + other + " beside " + hasCookie + ": the two cannot be answered together here"}
	}
	data := make([]byte, (sec.Size+7)&^7)
	data[0] = 1
	const readOnly = 1 << 7 // BPF_F_RDONLY_PROG
	o.Spec.Maps[cookieMap] = &ebpf.MapSpec{Name: "kconfig", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(data)), MaxEntries: 1, Flags: readOnly,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: data}}}
	for _, p := range o.Spec.Programs {
		for i, ins := range p.Instructions {
			if ins.OpCode.IsDWordLoad() && ins.Src == asm.PseudoMapValue && ins.Reference() == "" {
				p.Instructions[i] = loadOf(cookieMap, ins)
			}
		}
	}
	return nil
}

// loadOf is an instruction that loads the address of a map's value instead, with what says where functions and lines begin.
func loadOf(name string, old asm.Instruction) asm.Instruction {
	ins := asm.Instruction{OpCode: old.OpCode, Dst: old.Dst, Src: asm.PseudoMapValue}.WithReference(name).WithSymbol(old.Symbol())
	if fn := btf.FuncMetadata(&old); fn != nil {
		ins = btf.WithFuncMetadata(ins, fn)
	}
	if source := old.Source(); source != nil {
		ins = ins.WithSource(source)
	}
	return ins
}
