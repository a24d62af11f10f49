package resolve

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// builtins are the values that every hit has. The bool says that only a hit (not BEGIN, END, interval) has it.
var builtins = map[string]struct {
	x     plan.Value
	inHit bool
}{
	"pid": {plan.Value{B: plan.PID, T: int64Type}, true}, "tid": {plan.Value{B: plan.TID, T: int64Type}, true},
	"uid": {plan.Value{B: plan.UID, T: int64Type}, true}, "gid": {plan.Value{B: plan.GID, T: int64Type}, true},
	"cpu": {plan.Value{B: plan.CPU, T: int64Type}, false}, "nsecs": {plan.Value{B: plan.Nsecs, T: uint64Type}, false},
	"elapsed": {plan.Value{B: plan.Elapsed, T: uint64Type}, false},
	"comm":    {plan.Value{B: plan.Comm, T: plan.Type{Kind: plan.StrType, Size: plan.CommSize}}, true},
	"func":    {plan.Value{B: plan.Func, T: plan.Type{Kind: plan.FuncType, Size: 8}}, true},
	"probe":   {plan.Value{B: plan.ProbeID, T: plan.Type{Kind: plan.ProbeType, Size: 8}}, false},
	"rand":    {plan.Value{B: plan.Rand, T: uint64Type}, false}, "cgroup": {plan.Value{B: plan.Cgroup, T: uint64Type}, true},
	"sp": {plan.Value{B: plan.SP, T: uint64Type}, true}, "pc": {plan.Value{B: plan.PC, T: uint64Type}, true},
}

func (b *body) ident(e *script.Ident) (operand, error) {
	if v, ok := builtins[e.Name]; ok {
		if v.inHit && b.fn == nil {
			return operand{}, b.diag(e.Span, "no-hit", e.Name+" has no meaning in "+b.where())
		}
		x := v.x
		if e.Name == "probe" && b.prefix != "" {
			return operand{x: ofPattern(&x)}, nil
		}
		return operand{x: &x}, nil
	}
	switch e.Name {
	case "NULL", "null", "nil", "nullptr", "false":
		return operand{x: constant(0)}, nil
	case "true":
		return operand{x: constant(1)}, nil
	case "AF_INET":
		return operand{x: constant(unix.AF_INET)}, nil
	case "AF_INET6":
		return operand{x: constant(unix.AF_INET6)}, nil
	case "ustack":
		return operand{x: b.userStack(b.r.scope.Limits.Stack)}, nil
	case "duration", "depth":
		return b.pairedBuiltin(e)
	case "retval":
		return b.retval(e)
	case "goid":
		return b.goid(e)
	case "args":
		return operand{}, b.diag(e.Span, "unsupported", "args is not a value here", "name a parameter: args."+strings.Join(b.paramNames(), ", args."))
	}
	if n, ok := argNumber(e.Name); ok {
		return b.argN(e, n)
	}
	if v, ok := b.enumerator(e.Name); ok {
		return operand{x: constant(v)}, nil
	}
	return operand{}, b.unknownName(e)
}

func (b *body) where() string {
	return map[plan.ProbeKind]string{plan.Begin: "BEGIN", plan.End: "END", plan.Interval: "interval"}[b.kind]
}

// pairedBuiltin is duration or depth: the entry's moment must be known.
func (b *body) pairedBuiltin(e *script.Ident) (operand, error) {
	if b.kind != plan.Return {
		return operand{}, b.diag(e.Span, "not-at-return", e.Name+" is known when the function returns", "use uretprobe")
	}
	b.paired = true
	if e.Name == "depth" {
		b.frame.Depth = true
		return operand{x: &plan.Value{B: plan.Depth, T: int64Type}}, nil
	}
	return operand{x: &plan.Value{B: plan.Duration, T: uint64Type}}, nil
}

// retval is the result: the first of several in Go.
func (b *body) retval(e *script.Ident) (operand, error) {
	if b.kind != plan.Return {
		return operand{}, b.diag(e.Span, "not-at-return", "retval is known when the function returns", "use uretprobe")
	}
	b.typed, b.result = true, true
	if b.fn.types() == nil {
		return operand{x: &plan.Reg{R: ctype.RAX, T: int64Type}}, nil
	}
	switch {
	case len(b.fn.types().Results) == 0:
		return operand{}, b.diag(e.Span, "no-result", b.r.plan.Functions[b.fn.id].Name+" returns nothing")
	case resultUnknown(b.fn.types()):
		return operand{x: &plan.Reg{R: ctype.RAX, T: int64Type}}, nil
	}
	at, t := b.fn.placed(), b.fn.types().Results[0].Type
	if at.Hidden { // rax repeats the address, but not in all that LLVM makes
		slot := b.save(plan.Slot{Kind: plan.SlotInt, X: &plan.Reg{R: ctype.RDI, T: uint64Type}})
		return operand{addr: &plan.Saved{Slot: slot, T: uint64Type}, t: t}, nil
	}
	return b.placed(at.Results[0], t, e.Span, "the result")
}

// goid reads runtime.g.goid through the goroutine register.
func (b *body) goid(e *script.Ident) (operand, error) {
	b.typed = true
	if b.fn == nil || b.fn.lang != event.LangGo {
		return operand{}, b.diag(e.Span, "not-go", "goid is known in Go functions only")
	}
	return operand{x: &plan.Value{B: plan.Goroutine, T: uint64Type, GoidOffset: b.fn.obj.goidOffset()}}, nil
}

// ofPattern is the builtin probe where a point names several functions: with the one that was hit.
func ofPattern(id *plan.Value) plan.Expr {
	fn := builtins["func"].x
	next := &plan.Binary{Op: "+", X: &fn, Y: constant(1), T: uint64Type}
	upper := &plan.Binary{Op: "<<", X: next, Y: constant(32), T: uint64Type}
	return &plan.Binary{Op: "|", X: id, Y: upper, T: id.T}
}

// argNumber recognises arg0, arg1, ...
func argNumber(name string) (int, bool) {
	var n int
	if _, err := fmt.Sscanf(name, "arg%d", &n); err != nil || fmt.Sprintf("arg%d", n) != name || n > 99 {
		return 0, false
	}
	return n, true
}

var (
	sysvRegisters = []ctype.Register{ctype.RDI, ctype.RSI, ctype.RDX, ctype.RCX, ctype.R8, ctype.R9}
	goRegisters   = []ctype.Register{ctype.RAX, ctype.RBX, ctype.RCX, ctype.RDI, ctype.RSI, ctype.R8, ctype.R9, ctype.R10, ctype.R11}
)

// argN is the n-th integer argument as the ABI numbers them: the n-th general register, then the stack.
func (b *body) argN(e *script.Ident, n int) (operand, error) {
	if b.fn == nil {
		return operand{}, b.diag(e.Span, "no-hit", e.Name+" has no meaning in "+b.where())
	}
	if b.note != nil {
		return b.staticArg(e, n)
	}
	regs := sysvRegisters
	if b.fn.lang == event.LangGo {
		regs = goRegisters
		b.typed = true
	}
	if n < len(regs) {
		return operand{x: &plan.Reg{R: regs[n], T: uint64Type}}, nil
	}
	// [rsp] is the return address at entry; System V, figure 3.3.
	off := int64(8 + 8*(n-len(regs)))
	return operand{x: &plan.Load{Addr: plus(&plan.Value{B: plan.SP, T: uint64Type}, off), Size: 8, T: uint64Type}}, nil
}

func (b *body) paramIndex(name string) (int, bool) {
	if b.fn == nil || b.fn.types() == nil {
		return 0, false
	}
	for i, p := range b.fn.types().Params {
		if p.Name == name {
			return i, true
		}
	}
	return 0, false
}

func (b *body) paramNames() []string {
	var names []string
	if b.fn != nil && b.fn.types() != nil {
		for _, p := range b.fn.types().Params {
			if p.Name != "" {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// param is a parameter by its name.
func (b *body) param(name string, at script.Span) (operand, error) {
	b.typed = true
	if n, ok := argNumber(name); ok && b.note != nil {
		return b.staticArg(&script.Ident{Name: name, Span: at}, n)
	}
	i, ok := b.paramIndex(name)
	if !ok {
		return operand{}, b.noParam(name, at)
	}
	if b.inside {
		return operand{}, b.diag(at, "not-at-entry", "parameters are known at a function's entry only", "inside a function, read registers: arg0 is rdi as it is there")
	}
	p := b.fn.types().Params[i]
	pieces := b.fn.placed().Params[i]
	if len(p.Where) > 0 {
		pieces = p.Where
	}
	return b.placed(pieces, p.Type, at, "parameter "+name)
}

func (b *body) noParam(name string, at script.Span) error {
	fn := ""
	if b.fn != nil {
		fn = b.r.plan.Functions[b.fn.id].Name
	}
	if b.fn == nil || b.fn.types() == nil {
		return b.diag(at, "no-types", fmt.Sprintf("the parameters of %s are not known, so none is called %q", fn, name),
			"use arg0, arg1, ...: the integer arguments in order", "declare the function with --prototypes FILE")
	}
	hint := "parameters: " + strings.Join(b.paramNames(), ", ")
	if len(b.paramNames()) == 0 {
		hint = fn + " takes no named parameters"
	}
	return b.diag(at, "no-parameter", fmt.Sprintf("%s has no parameter %q", fn, name), hint)
}

// placed makes an operand of a value that the ABI put somewhere.
func (b *body) placed(pieces []ctype.Piece, t *ctype.Type, at script.Span, what string) (operand, error) {
	if len(pieces) == 0 {
		return operand{}, b.diag(at, "unavailable", what+" has no place: it was optimised out")
	}
	p := pieces[0]
	switch {
	case p.Kind == ctype.InMemory:
		return operand{addr: plus(&plan.Reg{R: p.Reg, T: uint64Type}, p.Offset), t: t}, nil
	case p.Kind == ctype.OnStack:
		return operand{addr: plus(&plan.Value{B: plan.SP, T: uint64Type}, p.Offset), t: t}, nil
	case len(pieces) == 1 && p.Kind == ctype.InRegister && !p.Reg.Vector():
		if st, ok := scalarType(t); ok {
			return operand{x: &plan.Cast{X: &plan.Reg{R: p.Reg, T: uint64Type}, T: st}, t: t}, nil
		}
	case p.Kind == ctype.InRegister && p.Reg.Vector() && len(pieces) == 1:
		return operand{}, b.diag(at, "unavailable", what+" is a floating-point value in a vector register, which uprobe programs cannot see")
	case p.Kind == ctype.Nowhere:
		return operand{}, b.diag(at, "unavailable", what+" was optimised out")
	}
	s := strip(t)
	if len(pieces) >= 2 && s != nil && (s.Kind == ctype.GoString || s.Kind == ctype.Str) {
		return b.registerText(pieces, t)
	}
	return operand{pieces: pieces, t: t}, nil
}

// registerText is a Go string or Rust &str in two registers.
func (b *body) registerText(pieces []ctype.Piece, t *ctype.Type) (operand, error) {
	return operand{t: t, x: &plan.Str{
		Addr: &plan.Reg{R: pieces[0].Reg, T: uint64Type},
		Len:  &plan.Reg{R: pieces[1].Reg, T: uint64Type},
		Max:  b.r.scope.Limits.String,
	}}, nil
}

// piece reads one piece of a value.
func (b *body) piece(e script.Expr, p ctype.Piece, t plan.Type) (plan.Expr, error) {
	switch {
	case p.Kind == ctype.InRegister && !p.Reg.Vector():
		return &plan.Reg{R: p.Reg, T: t}, nil
	case p.Kind == ctype.OnStack:
		return &plan.Load{Addr: plus(&plan.Value{B: plan.SP, T: uint64Type}, p.Offset), Size: 8, T: t}, nil
	}
	return nil, b.diag(e.Pos(), "unavailable", script.Format(e)+" is where no program can read it")
}

// enumerator finds a named constant among the types of the function: O_CREAT in --if 'flags & O_CREAT'.
func (b *body) enumerator(name string) (int64, bool) {
	if v, ok := b.r.types.Constant(name); ok {
		return v, true
	}
	if b.fn == nil || b.fn.types() == nil {
		return 0, false
	}
	params := append(append([]ctype.Param(nil), b.fn.types().Params...), b.fn.types().Results...)
	for _, p := range params {
		if s := strip(p.Type); s != nil {
			for _, en := range s.Enumerators {
				if en.Name == name {
					b.typed = true
					return en.Value, true
				}
			}
		}
	}
	return 0, false
}

// enumerators are the names of an enumeration's values.
func enumerators(t *ctype.Type) []string {
	var names []string
	if t = strip(t); t != nil {
		for _, e := range t.Enumerators {
			names = append(names, e.Name)
		}
	}
	return names
}

func (b *body) unknownName(e *script.Ident) error {
	known := b.paramNames()
	if b.fn != nil && b.fn.types() != nil {
		for _, p := range append(append([]ctype.Param(nil), b.fn.types().Params...), b.fn.types().Results...) {
			known = append(known, enumerators(p.Type)...)
		}
	}
	d := script.UnknownIdent(e, b.text, known...)
	if b.fn != nil && b.fn.types() == nil {
		d.Hints = append(d.Hints, "the parameters of "+b.r.plan.Functions[b.fn.id].Name+" are not known; use arg0, arg1, ...")
	}
	return d
}

// registerNames are the names of struct pt_regs and of bpftrace's reg().
var registerNames = map[string]ctype.Register{
	"ax": ctype.RAX, "bx": ctype.RBX, "cx": ctype.RCX, "dx": ctype.RDX, "si": ctype.RSI, "di": ctype.RDI, "bp": ctype.RBP, "sp": ctype.RSP,
	"r8": ctype.R8, "r9": ctype.R9, "r10": ctype.R10, "r11": ctype.R11, "r12": ctype.R12, "r13": ctype.R13, "r14": ctype.R14, "r15": ctype.R15,
}
