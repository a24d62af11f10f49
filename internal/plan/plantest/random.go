package plantest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// Random makes a random plan, of everything that the IR has.
func Random(r *rand.Rand) *plan.Plan {
	m := &maker{Rand: r}
	p := m.plan()
	// Comm as a number is no plan's.
	p.Walk(func(node any) {
		if v, ok := node.(*plan.Value); ok && v.B == plan.Comm && v.T.Kind != plan.StrType {
			v.B = plan.PID
		}
	})
	return p
}

// interesting gives a number at which arithmetic goes wrong.
func (m *maker) interesting() int64 {
	numbers := []int64{0, 1, -1, 2, 3, 7, 8, 63, 64, 100, -100, 255, 256, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, math.MaxInt64,
		math.MinInt64, math.MinInt64 + 1, 0x0123456789abcdef, -0x0123456789abcdef, 1 << 40}
	return numbers[m.IntN(len(numbers))]
}

func long() plan.Type  { return plan.Type{Kind: plan.IntType, Size: 8, Signed: true} }
func ulong() plan.Type { return plan.Type{Kind: plan.IntType, Size: 8} }

func text(size int) plan.Type { return plan.Type{Kind: plan.StrType, Size: size} }

func num(v int64) plan.Expr { return &plan.Const{V: v, T: long()} }

// maker is a plan in the making.
type maker struct {
	*rand.Rand
	p     *plan.Plan
	frame *plan.Frame // of the body in the making, once it is there
	ret   bool
	loops int
}

func (m *maker) one(n int) bool { return m.IntN(n) == 0 }

func (m *maker) textSize() int { return []int{1, 7, 8, 16, 64, 100, 200, 256}[m.IntN(8)] }

func (m *maker) textType() plan.Type { return text(m.textSize()) }

func (m *maker) typ(depth int) plan.Type {
	switch m.IntN(8) {
	case 0, 1:
		return m.textType()
	case 2:
		return plan.Type{Kind: plan.BytesType, Size: 1 + m.IntN(100)}
	case 3:
		return plan.Type{Kind: plan.UsymType, Size: 16}
	case 4:
		if depth > 0 {
			t := plan.Type{Kind: plan.TupleType}
			for range 1 + m.IntN(3) {
				t.Elems = append(t.Elems, m.typ(depth-1))
			}
			return t
		}
	}
	return plan.Type{Kind: plan.IntType, Size: []int{1, 2, 4, 8}[m.IntN(4)], Signed: m.one(2)}
}

// plan makes maps, variables and probes.
func (m *maker) plan() *plan.Plan {
	m.p = &plan.Plan{Limits: plan.DefaultLimits(), Functions: make([]plan.Function, 4)}
	m.p.Functions[3].Lang = event.LangGo
	m.p.Limits.Capture = []int{64, 2048, 4096}[m.IntN(3)]
	for i := range 4 {
		m.p.Vars = append(m.p.Vars, plan.Var{Name: fmt.Sprint("$", i), Type: m.typ(1)})
	}
	m.p.Vars = append(m.p.Vars, plan.Var{Name: "$n", Type: long()})
	for i := range 5 {
		t := plan.Map{Name: fmt.Sprint("@", i), Kind: event.AggValue, Value: m.typ(1)}
		if i >= 2 {
			t.Kind, t.Value, t.Bits, t.Max, t.Step = event.AggKind(1+m.IntN(9)), plan.Type{Kind: plan.IntType, Size: 8, Signed: m.one(2)}, m.IntN(6), 1000, 10
		}
		for size := 0; m.IntN(3) > 0 && size < 300; {
			part := m.typ(1)
			if size += part.PartSize(); size <= 500 {
				t.Keys = append(t.Keys, part)
			}
		}
		m.p.Maps = append(m.p.Maps, t)
	}
	m.p.Maps = append(m.p.Maps, plan.Map{Name: "@number", Kind: event.AggValue, Keys: []plan.Type{long()}, Value: long()})
	if m.one(2) {
		uid := uint32(0)
		m.p.Filter = plan.Filter{PIDs: []int{1, 2}, Comm: "x", UID: &uid, Cgroup: 77}
	}
	for _, kind := range []plan.ProbeKind{plan.Begin, plan.Entry, plan.Return, plan.Return} {
		m.p.Probes = append(m.p.Probes, m.probe(kind))
	}
	return m.p
}

func (m *maker) probe(kind plan.ProbeKind) plan.Probe {
	probe := plan.Probe{Kind: kind, Name: "random"}
	framed := m.one(2)
	bodies := 1
	if kind != plan.Begin {
		bodies += m.IntN(3)
	}
	for b := range bodies {
		body := plan.Body{Goid: int64(m.IntN(2) * 152)}
		m.frame, m.ret = nil, kind == plan.Return
		if kind == plan.Return && framed {
			f := &plan.Frame{Depth: m.one(2)}
			if m.one(2) {
				f.Pred = m.number(2)
			}
			for range m.IntN(4) {
				f.Slots = append(f.Slots, m.slot())
			}
			body.Frame, m.frame = f, f
		}
		if m.one(2) {
			body.Pred = m.number(2)
		}
		body.Stmts = m.stmts(2)
		probe.Bodies = append(probe.Bodies, body)
		for _, role := range []site.Role{site.Entry, site.Trampoline, site.Ret, site.TailJump} {
			s := plan.Site{Function: m.IntN(4), Body: b, Callee: -1, Choice: site.Choice{Role: role}}
			if role == site.TailJump && m.one(2) {
				s.Cond = 0x70
			}
			probe.Sites = append(probe.Sites, s)
		}
	}
	return probe
}

func (m *maker) stmts(depth int) []plan.Stmt {
	var list []plan.Stmt
	for range 1 + m.IntN(4) {
		list = append(list, m.stmt(depth))
	}
	return list
}

func (m *maker) stmt(depth int) plan.Stmt {
	which := m.IntN(10)
	if depth == 0 && which >= 8 {
		which = m.IntN(8)
	}
	switch which {
	case 0:
		i := m.IntN(len(m.p.Vars))
		return &plan.SetVar{Var: i, X: m.expr(m.p.Vars[i].Type, 2)}
	case 1:
		i := m.IntN(2)
		return &plan.MapSet{Map: i, Key: m.key(i), X: m.expr(m.p.Maps[i].Value, 2)}
	case 2:
		return &plan.MapAdd{Map: 5, Key: m.key(5), X: m.number(2)}
	case 3, 4:
		i := 2 + m.IntN(3)
		s := &plan.MapAggregate{Map: i, Key: m.key(i)}
		if m.p.Maps[i].Kind != event.AggCount {
			s.X = m.number(2)
		}
		return s
	case 5:
		i := m.IntN(len(m.p.Maps))
		return &plan.MapDelete{Map: i, Key: m.key(i)}
	case 6, 7:
		return m.emit()
	case 8:
		s := &plan.If{Cond: m.number(3), Then: m.stmts(depth - 1)}
		if m.one(2) {
			s.Else = m.stmts(depth - 1)
		}
		return s
	}
	m.loops++
	defer func() { m.loops-- }()
	s := &plan.Loop{Cond: m.number(1), Max: 1 + m.IntN(100), Body: m.stmts(depth - 1)}
	if m.one(2) {
		s.Body = append(s.Body, &plan.If{Cond: m.number(1), Then: []plan.Stmt{[]plan.Stmt{&plan.Break{}, &plan.Continue{}, &plan.Finish{}}[m.IntN(3)]}})
	}
	return s
}

func (m *maker) emit() plan.Stmt {
	em := plan.Emission{Kind: plan.EmitPrintf}
	if m.one(2) {
		em.Kind = plan.EmitCall
		if m.frame != nil && m.one(2) {
			em.Frame, em.Entry = true, len(m.frame.Slots)
		}
	}
	for range m.IntN(6) {
		em.Slots = append(em.Slots, m.slot())
	}
	m.p.Emissions = append(m.p.Emissions, em)
	return &plan.Emit{Emission: len(m.p.Emissions) - 1}
}

func (m *maker) slot() plan.Slot {
	s := plan.Slot{Size: 1 + m.IntN(256)}
	if m.one(3) {
		s.If = m.number(1)
	}
	switch m.IntN(7) {
	case 0:
		s.Kind, s.X = plan.SlotMem, m.number(1)
	case 1, 2:
		s.Kind, s.X = plan.SlotStr, m.number(1)
	case 3:
		s.Kind, s.X, s.Len = plan.SlotBuf, m.number(1), m.number(1)
	case 4:
		s.Kind, s.Size, s.X = plan.SlotStack, 8*(1+m.IntN(20)), &plan.UserStack{Frames: 20}
	case 5:
		s.Kind, s.X = plan.SlotText, m.expr(m.textType(), 1)
	default:
		s.Kind, s.X = plan.SlotInt, m.number(2)
	}
	return s
}

func (m *maker) key(i int) []plan.Expr {
	var key []plan.Expr
	for _, t := range m.p.Maps[i].Keys {
		key = append(key, m.expr(t, 1))
	}
	return key
}

// expr makes an expression that fits a part of type t.
func (m *maker) expr(t plan.Type, depth int) plan.Expr {
	switch t.Kind {
	case plan.StrType:
		return m.text(depth)
	case plan.BytesType:
		return &plan.Buf{Addr: m.number(depth - 1), Len: m.number(0), Max: 1 + m.IntN(120)}
	case plan.UsymType:
		return &plan.SymOf{X: m.number(depth - 1)}
	case plan.TupleType:
		e := &plan.TupleOf{T: t}
		for _, elem := range t.Elems {
			e.Elems = append(e.Elems, m.expr(elem, depth-1))
		}
		return e
	}
	return m.number(depth)
}

func (m *maker) text(depth int) plan.Expr {
	switch m.IntN(6) {
	case 0:
		return &plan.Text{S: "some literal text of a length"[:m.IntN(28)]}
	case 1:
		return &plan.Value{B: plan.Comm, T: text(16)}
	case 2:
		if i := m.IntN(len(m.p.Vars)); m.p.Vars[i].Type.Kind == plan.StrType {
			return &plan.VarRef{Var: i, T: m.p.Vars[i].Type}
		}
	case 3:
		if i := m.IntN(2); m.p.Maps[i].Value.Kind == plan.StrType && depth > 0 {
			return &plan.MapGet{Map: i, Key: m.key(i), T: m.p.Maps[i].Value}
		}
	case 4:
		if depth > 0 {
			return &plan.Choose{C: m.number(depth - 1), X: m.text(depth - 1), Y: m.text(depth - 1), T: m.textType()}
		}
	}
	e := &plan.Str{Addr: m.number(depth - 1), Max: m.textSize()}
	if m.one(4) {
		e.Len = m.number(0)
	}
	return e
}

func (m *maker) number(depth int) plan.Expr {
	if depth <= 0 || m.one(4) {
		switch m.IntN(5) {
		case 0:
			return num(m.interesting())
		case 1:
			return &plan.VarRef{Var: len(m.p.Vars) - 1, T: long()}
		case 2:
			return &plan.Value{B: plan.Builtin(m.IntN(int(plan.PC + 1))), T: ulong(), GoidOffset: 152}
		}
		return &plan.Reg{R: ctype.Register(m.IntN(16)), T: plan.Type{Kind: plan.IntType, Size: []int{4, 8}[m.IntN(2)], Signed: m.one(2)}}
	}
	switch m.IntN(9) {
	case 0:
		return &plan.Load{Addr: m.number(depth - 1), Size: []int{1, 2, 4, 8}[m.IntN(4)], T: long()}
	case 1:
		return &plan.MapGet{Map: 5, Key: m.key(5), T: long()}
	case 2:
		i := m.IntN(len(m.p.Maps))
		return &plan.MapHas{Map: i, Key: m.key(i)}
	case 3:
		return &plan.StrCmp{X: m.text(depth - 1), Y: m.text(depth - 1), N: m.IntN(70)}
	case 4:
		return &plan.Binary{Op: []string{"==", "!="}[m.IntN(2)], X: m.text(depth - 1), Y: m.text(depth - 1), T: long()}
	case 5:
		return &plan.Choose{C: m.number(depth - 1), X: m.number(depth - 1), Y: m.number(depth - 1), T: long()}
	case 6:
		return &plan.Unary{Op: []string{"-", "~", "!"}[m.IntN(3)], X: m.number(depth - 1), T: long()}
	}
	ops := []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "<", ">=", "&&", "||"}
	return &plan.Binary{Op: ops[m.IntN(len(ops))], X: m.number(depth - 1), Y: m.number(depth - 1), Signed: m.one(2), T: long()}
}
