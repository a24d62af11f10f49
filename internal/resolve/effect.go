package resolve

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// effectCall is a call that is a statement; nil when the name is none.
func effectCall(name string) func(*body, *script.Call) ([]plan.Stmt, error) {
	switch name {
	case "printf":
		return (*body).printf
	case "print":
		return (*body).print
	case "clear":
		return (*body).clearMap
	case "zero":
		return (*body).zeroMap
	case "delete":
		return (*body).deleteKey
	case "exit":
		return (*body).exit
	case "time":
		return (*body).time
	case "call":
		return (*body).callRecord
	}
	return nil
}

// emit adds a record to the body.
func (b *body) emit(e plan.Emission, shape plan.Shape) []plan.Stmt {
	stmt := &plan.Emit{Emission: len(b.emissions)}
	b.emissions = append(b.emissions, emission{Emission: e, shape: shape, stmt: stmt})
	return []plan.Stmt{stmt}
}

func noShape() plan.Shape { return plan.Shape{ErrnoSlot: -1, StackSlot: -1} }

func (b *body) printf(e *script.Call) ([]plan.Stmt, error) {
	if len(e.Args) == 0 {
		return nil, b.diag(e.Span, "arguments", "printf takes a format and its arguments")
	}
	format, ok := e.Args[0].(*script.Str)
	if !ok {
		return nil, b.diag(e.Args[0].Pos(), "not-constant", "printf's format must be a string literal")
	}
	verbs, err := b.verbs(format)
	if err != nil {
		return nil, err
	}
	if len(verbs) != len(e.Args)-1 {
		return nil, b.diag(e.Span, "format", fmt.Sprintf("arguments of the format: %d wanted, %d given", len(verbs), len(e.Args)-1))
	}
	em := plan.Emission{Kind: plan.EmitPrintf, Format: format.Value}
	shape := noShape()
	for i, a := range e.Args[1:] {
		x, err := b.printed(a, verbs[i])
		if err != nil {
			return nil, err
		}
		slot, node, err := b.slot(a, x)
		if err != nil {
			return nil, err
		}
		node.Pieces = []plan.NodePiece{{Slot: len(em.Slots), Size: 8}}
		em.Slots = append(em.Slots, slot)
		shape.Args = append(shape.Args, node)
	}
	return b.emit(em, shape), nil
}

// printed compiles an argument as its conversion wants it.
func (b *body) printed(a script.Expr, verb byte) (plan.Expr, error) {
	x, err := b.value(a)
	if err != nil {
		return nil, err
	}
	switch {
	case verb == 's' && isInt(x) && isText(x.Type().C):
		return b.asText(a, x)
	case verb == 's' && isInt(x) && x.Type().Kind == plan.IntType && !isEnum(x.Type().C):
		return nil, b.diag(a.Pos(), "format", "%s wants text, and this is a number", "str("+script.Format(a)+") reads the text at an address")
	case verb != 's' && verb != 'r' && !isInt(x):
		return nil, b.diag(a.Pos(), "format", fmt.Sprintf("%%%c wants a number", verb), "use %s")
	}
	return x, nil
}

// verbs gives the conversion letters of a format.
func (b *body) verbs(format *script.Str) ([]byte, error) {
	var out []byte
	s := format.Value
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		i++
		for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '-' || s[i] == '+' || s[i] == ' ' || s[i] == '#' || s[i] == '.' || s[i] == 'l' || s[i] == 'h' || s[i] == 'z' || s[i] == 'j') {
			i++
		}
		switch {
		case i == len(s):
			return nil, b.diag(format.Span, "format", "the format ends inside a conversion")
		case s[i] == '%':
		case s[i] == 'd' || s[i] == 'i' || s[i] == 'u' || s[i] == 'x' || s[i] == 'X' || s[i] == 'o' || s[i] == 'c' || s[i] == 'p' || s[i] == 's' || s[i] == 'r':
			out = append(out, s[i])
		default:
			return nil, b.diag(format.Span, "format", fmt.Sprintf("unknown conversion %%%c", s[i]), "conversions: d i u x X o c p s r %")
		}
	}
	return out, nil
}

// slot plans the capture of one value and how it reads back.
func (b *body) slot(e script.Expr, x plan.Expr) (plan.Slot, plan.Node, error) {
	t := x.Type()
	node := plan.Node{Type: t.C, T: t, Lang: event.LangC}
	if b.fn != nil {
		node.Lang = b.fn.lang
	}
	node.T.C = nil
	switch x := x.(type) {
	case *plan.Str:
		node.UntilNUL = x.UntilNUL
		if x.Len != nil {
			return plan.Slot{Kind: plan.SlotBuf, X: x.Addr, Len: x.Len, Size: x.Max}, node, nil
		}
		return plan.Slot{Kind: plan.SlotStr, X: x.Addr, Size: x.Max}, node, nil
	case *plan.Buf:
		return plan.Slot{Kind: plan.SlotBuf, X: x.Addr, Len: x.Len, Size: x.Max}, node, nil
	case *plan.UserStack:
		return plan.Slot{Kind: plan.SlotStack, X: x, Size: t.Size}, node, nil
	case *plan.SymOf:
		return plan.Slot{Kind: plan.SlotSym, X: x.X}, node, nil
	}
	switch t.Kind {
	case plan.IntType, plan.FuncType, plan.ProbeType:
		return plan.Slot{Kind: plan.SlotInt, X: x}, node, nil
	case plan.StrType:
		return plan.Slot{Kind: plan.SlotText, X: x, Size: t.Size}, node, nil
	case plan.TupleType:
		return plan.Slot{Kind: plan.SlotTuple, X: x, Size: t.Size}, node, nil
	}
	return plan.Slot{}, node, b.diag(e.Pos(), "type", "this cannot be recorded")
}

// print shows a map, or a value.
func (b *body) print(e *script.Call) ([]plan.Stmt, error) {
	if err := b.arguments(e, 1, 3); err != nil {
		return nil, err
	}
	if m, ok := e.Args[0].(*script.MapRef); ok && len(m.Keys) == 0 {
		return b.printMap(m, e)
	}
	x, err := b.value(e.Args[0])
	if err != nil {
		return nil, err
	}
	slot, node, err := b.slot(e.Args[0], x)
	if err != nil {
		return nil, err
	}
	node.Pieces = []plan.NodePiece{{Size: 8}}
	shape := noShape()
	shape.Args = []plan.Node{node}
	return b.emit(plan.Emission{Kind: plan.EmitPrint, Slots: []plan.Slot{slot}}, shape), nil
}

func (b *body) printMap(m *script.MapRef, e *script.Call) ([]plan.Stmt, error) {
	i, ok, err := b.knownMap(m)
	if !ok {
		return nil, err
	}
	em := plan.Emission{Kind: plan.EmitMapPrint, Map: i}
	for n, a := range e.Args[1:] {
		v, ok := a.(*script.Int)
		if !ok || v.Value < 0 {
			return nil, b.diag(a.Pos(), "not-constant", "print(@map, top, div) takes constants")
		}
		if n == 0 {
			em.Top = int(v.Value)
		} else {
			em.Div = v.Value
		}
	}
	return b.emit(em, noShape()), nil
}

// knownMap finds a map that a statement names; while types are still being learnt it may come later.
func (b *body) knownMap(m *script.MapRef) (int, bool, error) {
	i, ok := b.r.maps[m.Name]
	if !ok && !b.r.learning {
		return 0, false, b.diag(m.Span, "no-map", "@"+m.Name+" is never written")
	}
	return i, ok, nil
}

func (b *body) clearMap(e *script.Call) ([]plan.Stmt, error) { return b.emptyMap(e, plan.EmitMapClear) }
func (b *body) zeroMap(e *script.Call) ([]plan.Stmt, error)  { return b.emptyMap(e, plan.EmitMapZero) }

func (b *body) emptyMap(e *script.Call, kind plan.EmissionKind) ([]plan.Stmt, error) {
	if err := b.arguments(e, 1, 1); err != nil {
		return nil, err
	}
	m, ok := e.Args[0].(*script.MapRef)
	if !ok || len(m.Keys) > 0 {
		return nil, b.diag(e.Args[0].Pos(), "arguments", e.Name+" takes a map")
	}
	i, ok, err := b.knownMap(m)
	if !ok {
		return nil, err
	}
	return b.emit(plan.Emission{Kind: kind, Map: i}, noShape()), nil
}

// deleteKey is delete(@x[key]), or delete(@x, key) as newer bpftrace writes it.
func (b *body) deleteKey(e *script.Call) ([]plan.Stmt, error) {
	if err := b.arguments(e, 1, 2); err != nil {
		return nil, err
	}
	m, ok := e.Args[0].(*script.MapRef)
	if !ok {
		return nil, b.diag(e.Args[0].Pos(), "arguments", "delete takes a map entry: delete(@x[key])")
	}
	if len(e.Args) == 2 {
		m = &script.MapRef{Name: m.Name, Keys: []script.Expr{e.Args[1]}, Span: m.Span}
	}
	key, err := b.keys(m)
	if err != nil {
		return nil, err
	}
	i, ok, err := b.knownMap(m)
	if !ok {
		return nil, err
	}
	if len(key) != len(b.r.plan.Maps[i].Keys) {
		return nil, b.diag(m.Span, "map-key", fmt.Sprintf("@%s has a key of %d parts", m.Name, len(b.r.plan.Maps[i].Keys)))
	}
	return []plan.Stmt{&plan.MapDelete{Map: i, Key: key}}, nil
}

// time prints the wall-clock time.
func (b *body) time(e *script.Call) ([]plan.Stmt, error) {
	if err := b.arguments(e, 0, 1); err != nil {
		return nil, err
	}
	em := plan.Emission{Kind: plan.EmitTime, Format: "%H:%M:%S\n"}
	if len(e.Args) == 1 {
		format, ok := e.Args[0].(*script.Str)
		if !ok {
			return nil, b.diag(e.Args[0].Pos(), "not-constant", "time takes a format in quotes")
		}
		em.Format = format.Value
	}
	return b.emit(em, noShape()), nil
}

func (b *body) exit(e *script.Call) ([]plan.Stmt, error) {
	if err := b.arguments(e, 0, 1); err != nil {
		return nil, err
	}
	em := plan.Emission{Kind: plan.EmitExit}
	if len(e.Args) == 1 {
		n, ok := e.Args[0].(*script.Int)
		if !ok {
			return nil, b.diag(e.Args[0].Pos(), "not-constant", "exit takes a constant status")
		}
		em.Code = int(n.Value)
	}
	return append(b.emit(em, noShape()), &plan.Finish{}), nil
}

// callRecord is call(): the call with its arguments, and its result at return.
func (b *body) callRecord(e *script.Call) ([]plan.Stmt, error) {
	if b.fn == nil {
		return nil, b.diag(e.Span, "no-hit", "call() has no meaning in "+b.where())
	}
	b.typed = true
	shape := noShape()
	em := plan.Emission{Kind: plan.EmitCall}
	keep := func(s plan.Slot) int {
		em.Slots = append(em.Slots, s)
		return returnSlot + len(em.Slots) - 1
	}
	atEntry := keep
	if b.kind == plan.Return {
		b.paired, b.frame.Depth = true, true
		atEntry = b.save
	}
	switch {
	case b.note != nil:
		shape.Args = capture.Static(b.staticArgs(), b.r.scope.Limits, atEntry)
	case !b.inside:
		shape.Args = b.captureParams(atEntry)
	}
	for _, a := range e.Args {
		n, err := b.stackSlot(a, atEntry)
		if err != nil {
			return nil, err
		}
		shape.StackSlot = n
		if !b.inside && b.note == nil {
			caller := &plan.Load{Addr: &plan.Value{B: plan.SP, T: uint64Type}, Size: 8, T: uint64Type}
			shape.CallerSlot = atEntry(plan.Slot{Kind: plan.SlotInt, X: caller}) + 1
		}
	}
	if b.kind == plan.Return {
		b.captureResults(&shape, keep)
	}
	return b.emit(em, shape), nil
}

// captureParams plans the parameters of a typed function, or shows the registers of an untyped one.
func (b *body) captureParams(keep func(plan.Slot) int) []plan.Node {
	switch {
	case b.fn.types() != nil:
	case b.fn.lang == event.LangGo:
		return b.guessGo(keep)
	default:
		return capture.Guess(b.r.scope.Limits, keep)
	}
	return capture.Params(b.fn.types(), b.fn.placed(), b.r.scope.Limits, keep)
}

// guessGo shows what a Go function's parameters travel in, as far as Go's own tables tell how much that is: they outlive stripping.
func (b *body) guessGo(keep func(plan.Slot) int) []plan.Node {
	const most = 9
	info, ok := b.fn.goInfo()
	switch {
	case ok && info.Assembly:
		return capture.GuessGoStack(int(max(info.ArgsSize, 0)/8), b.r.scope.Limits, keep)
	case !ok || info.Words < 0:
		info.Words = most
	}
	return capture.GuessGo(info.Words, b.r.scope.Limits, keep)
}

func (f *function) goInfo() (symbol.GoFunction, bool) {
	if f.lang != event.LangGo || f.match.fn == nil {
		return symbol.GoFunction{}, false
	}
	return f.obj.file.GoFunction(f.match.fn)
}

func (b *body) captureResults(shape *plan.Shape, keep func(plan.Slot) int) {
	if b.fn.types() == nil || resultUnknown(b.fn.types()) {
		if info, ok := b.fn.goInfo(); ok && info.Assembly {
			return // its results are among the words on the stack
		}
		shape.Result = capture.GuessResult(b.fn.lang, b.r.scope.Limits, keep)
		return
	}
	capture.Results(b.fn.types(), b.fn.placed(), b.r.scope.Limits, shape, keep, b.save)
	if errno := b.fn.errno(); errno != nil {
		capture.Errno(b.fn.types(), b.fn.placed(), *errno, shape, keep, b.save)
	}
}

func (b *body) stackSlot(a script.Expr, keep func(plan.Slot) int) (int, error) {
	o, err := b.operand(a)
	if err != nil {
		return -1, err
	}
	st, ok := o.x.(*plan.UserStack)
	if !ok {
		return -1, b.diag(a.Pos(), "arguments", "call takes nothing, or ustack")
	}
	// The caller has a slot of its own.
	return keep(plan.Slot{Kind: plan.SlotStack, X: &plan.UserStack{Frames: st.Frames}, Size: 8 * st.Frames}), nil
}
