package codegen_test

import (
	"encoding/binary"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// target is a plan about one program.
type target struct {
	*plan.Plan
	t    testing.TB
	file *symbol.File
}

func observe(t testing.TB, path string) *target {
	t.Helper()
	file, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &target{t: t, file: file, Plan: &plan.Plan{Limits: plan.DefaultLimits(), Objects: []plan.Object{{Path: path, Open: path}}}}
}

// function adds a function and gives its ID.
func (g *target) function(name string) int {
	g.t.Helper()
	for i, f := range g.Functions {
		if f.Linkage == name {
			return i
		}
	}
	found, err := g.file.Find(symbol.Pattern{Text: name})
	if err != nil || len(found) != 1 {
		g.t.Fatalf("%s: %d functions, %v", name, len(found), err)
	}
	g.Functions = append(g.Functions, plan.Function{Name: name, Linkage: found[0].Name, Addr: found[0].Addr, Size: found[0].Size, Lang: found[0].Lang})
	return len(g.Functions) - 1
}

// symbol gives a function as the object has it, and its code.
func (g *target) code(id int) (*symbol.Function, []byte) {
	g.t.Helper()
	fn, _, ok := g.file.At(g.Functions[id].Addr)
	if !ok {
		g.t.Fatalf("%s is not there", g.Functions[id].Name)
	}
	code, err := g.file.Code(fn)
	if err != nil {
		g.t.Fatal(err)
	}
	return fn, code
}

func (g *target) site(id, body int, c site.Choice) plan.Site {
	g.t.Helper()
	addr := g.Functions[id].Addr + symbol.Addr(c.Offset)
	offset, err := g.file.Offset(addr)
	if err != nil {
		g.t.Fatal(err)
	}
	return plan.Site{Function: id, Body: body, Addr: addr, Offset: offset, Callee: -1, Choice: c}
}

// entry is the entry site of a function.
func (g *target) entry(name string, body int) plan.Site {
	g.t.Helper()
	id := g.function(name)
	_, code := g.code(id)
	c, err := site.ChooseEntry(code, g.Functions[id].Lang)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.site(id, body, c)
}

// trampoline is the site for returns through the kernel's trampoline.
func (g *target) trampoline(name string, body int) plan.Site {
	s := g.entry(name, body)
	s.Role = site.Trampoline
	return s
}

// returns are the sites where calls of a function end.
func (g *target) returns(name string, body int) []plan.Site {
	g.t.Helper()
	id := g.function(name)
	fn, code := g.code(id)
	choices, err := site.ChooseReturns(code, g.Functions[id].Lang, site.FnInfo{Addr: uint64(fn.Addr), Conditions: true,
		Callee: func(rel int64) string {
			if f, off, ok := g.file.At(fn.Addr + symbol.Addr(rel)); ok && off == 0 {
				return f.Name
			}
			return ""
		}})
	if err != nil {
		g.t.Fatal(err)
	}
	var list []plan.Site
	for _, c := range choices {
		s := g.site(id, body, c)
		if c.Role == site.TailJump {
			if f, off, ok := g.file.At(fn.Addr + symbol.Addr(c.Target)); ok && off == 0 {
				s.Callee = g.function(f.Name)
			}
		}
		list = append(list, s)
	}
	return list
}

// probe adds a probe with one body.
func (g *target) probe(kind plan.ProbeKind, body plan.Body, sites ...plan.Site) {
	g.Probes = append(g.Probes, plan.Probe{Kind: kind, Name: "probe", Bodies: []plan.Body{body}, Sites: sites})
}

// watch loads a plan, runs a program under it to its end, and disarms. Only that program is observed: other tests run the same one.
func watch(t testing.TB, g *target, f codegen.Features, argv ...string) *kernel.Session {
	t.Helper()
	program := fixture.Start(t, argv[0], argv[1:]...)
	g.Filter.PIDs = []int{program.PID}
	s := load(t, g.Plan, f)
	arm(t, s)
	program.Release()
	s.Disarm()
	return s
}

func arm(t testing.TB, s *kernel.Session) {
	t.Helper()
	refused, err := s.Arm()
	if err != nil || len(refused) > 0 {
		t.Fatalf("armed: %v, %v", refused, err)
	}
}

func reg(r ctype.Register) plan.Expr { return &plan.Reg{R: r, T: long} }

func u64(b []byte, at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }

func u32(b []byte, at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }

// slotText is the data of slot i of a record, or what its code says.
func slotText(b []byte, header, i int) string {
	slot := u64(b, header+8*i)
	at, length := uint32(slot), uint32(slot>>32)
	switch length {
	case plan.SlotUnreadable:
		return "<unreadable>"
	case plan.SlotFull:
		return "<full>"
	case plan.SlotSkipped:
		return "<skipped>"
	}
	cut := ""
	if length&plan.SlotCut != 0 {
		length &^= plan.SlotCut
		cut = "..."
	}
	return string(b[at:at+length]) + cut
}

func countBody() plan.Body {
	return plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: 0, Key: []plan.Expr{&plan.Value{B: plan.Func, T: function}}}}}
}

func denseCount() plan.Map {
	return plan.Map{Name: "@", Kind: event.AggCount, Keys: []plan.Type{function}, Value: ulong, Dense: true}
}
