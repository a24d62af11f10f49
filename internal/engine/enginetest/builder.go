package enginetest

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Builder makes plans by hand, of functions of one object.
type Builder struct {
	t    *testing.T
	file *symbol.File
	pid  int
	plan plan.Plan
	ids  map[string]int
	// patches: the engine takes no trampolines.
	patches bool
}

func newBuilder(t *testing.T, path string, pid int) *Builder {
	t.Helper()
	file, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	b := &Builder{t: t, file: file, pid: pid, ids: map[string]int{}}
	b.plan.Objects = []plan.Object{{Path: path, Open: path}}
	b.plan.Limits = plan.DefaultLimits()
	b.plan.Limits.Ring = 1 << 20
	b.plan.Filter.PIDs = []int{pid}
	return b
}

// Plan is what was built.
func (b *Builder) Plan() *plan.Plan { return &b.plan }

// fn gives the ID of a function.
func (b *Builder) fn(name string) int {
	b.t.Helper()
	if id, ok := b.ids[name]; ok {
		return id
	}
	found, err := b.file.Find(symbol.Pattern{Text: name})
	if err != nil || len(found) != 1 {
		b.t.Fatalf("%d functions %s, %v", len(found), name, err)
	}
	id := len(b.plan.Functions)
	b.ids[name] = id
	b.plan.Functions = append(b.plan.Functions, plan.Function{
		Name: name, Linkage: found[0].Name, Addr: found[0].Addr, Size: found[0].Size, Lang: event.LangC,
	})
	return id
}

func (b *Builder) code(id int) []byte {
	b.t.Helper()
	f := &b.plan.Functions[id]
	code := make([]byte, f.Size)
	if err := b.file.ReadAt(f.Addr, code); err != nil {
		b.t.Fatal(err)
	}
	return code
}

// entry is the site at which a function is entered.
func (b *Builder) entry(id int) plan.Site {
	b.t.Helper()
	choice, err := site.ChooseEntry(b.code(id), event.LangC)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.at(id, choice)
}

// trampoline is the site that sees a function return through the kernel's trampoline.
func (b *Builder) trampoline(id int) plan.Site {
	s := b.entry(id)
	s.Role = site.Trampoline
	return s
}

// exits are the sites of the instructions that leave a function.
func (b *Builder) exits(id int) []plan.Site {
	b.t.Helper()
	addr := b.plan.Functions[id].Addr
	choices, err := site.ChooseReturns(b.code(id), event.LangC, site.FnInfo{Addr: uint64(addr)})
	if err != nil {
		b.t.Fatal(err)
	}
	var sites []plan.Site
	for _, c := range choices {
		s := b.at(id, c)
		if fn, _, ok := b.file.At(addr + symbol.Addr(c.Target)); ok && c.Role == site.TailJump {
			if callee, known := b.ids[fn.Name]; known {
				s.Callee = callee
			}
		}
		sites = append(sites, s)
	}
	return sites
}

func (b *Builder) at(id int, c site.Choice) plan.Site {
	b.t.Helper()
	addr := b.plan.Functions[id].Addr + symbol.Addr(c.Offset)
	offset, err := b.file.Offset(addr)
	if err != nil {
		b.t.Fatal(err)
	}
	return plan.Site{Function: id, Addr: addr, Offset: offset, Callee: -1, Choice: c}
}

// onEntry adds a probe at the entries of functions.
func (b *Builder) onEntry(body plan.Body, names ...string) {
	p := plan.Probe{Kind: plan.Entry, Name: "uprobe:" + names[0], Bodies: []plan.Body{body}}
	for _, name := range names {
		p.Sites = append(p.Sites, b.entry(b.fn(name)))
	}
	b.plan.Probes = append(b.plan.Probes, p)
}

// onReturn adds a probe at the returns of a function, paired with its entries when the body has a frame. Ways out are the
// trampoline, or the instructions that leave.
func (b *Builder) onReturn(body plan.Body, way plan.ReturnWay, names ...string) {
	p := plan.Probe{Kind: plan.Return, Name: "uretprobe:" + names[0], Bodies: []plan.Body{body}}
	for _, name := range names {
		id := b.fn(name)
		if b.patches {
			way = plan.Sites
		}
		b.plan.Functions[id].ReturnWay = way
		if body.Frame != nil {
			p.Sites = append(p.Sites, b.entry(id))
		}
		if way == plan.Trampoline {
			p.Sites = append(p.Sites, b.trampoline(id))
		} else {
			p.Sites = append(p.Sites, b.exits(id)...)
		}
	}
	b.plan.Probes = append(b.plan.Probes, p)
}

// once adds a BEGIN or END probe.
func (b *Builder) once(kind plan.ProbeKind, name string, stmts ...plan.Stmt) {
	b.plan.Probes = append(b.plan.Probes, plan.Probe{Kind: kind, Name: name, Bodies: []plan.Body{{Stmts: stmts}}})
}

// aMap adds a script map.
func (b *Builder) aMap(m plan.Map) int {
	b.plan.Maps = append(b.plan.Maps, m)
	return len(b.plan.Maps) - 1
}

// emission adds a record and gives the statement that sends it.
func (b *Builder) emission(e plan.Emission) *plan.Emit {
	e.StackSlot, e.ErrnoSlot = cmpOr(e.StackSlot), cmpOr(e.ErrnoSlot)
	b.plan.Emissions = append(b.plan.Emissions, e)
	return &plan.Emit{Emission: len(b.plan.Emissions) - 1}
}

// cmpOr makes "none" of a slot number that was not set. No case has its stack or errno in slot 0.
func cmpOr(slot int) int {
	if slot == 0 {
		return -1
	}
	return slot
}

// printf sends a line.
func (b *Builder) printf(format string, args ...plan.Expr) *plan.Emit {
	e := plan.Emission{Kind: plan.EmitPrintf, Format: format}
	for i, x := range args {
		e.Slots = append(e.Slots, slotOf(x))
		if x.Type().Kind == plan.StrType {
			e.Args = append(e.Args, textArg("", i))
		} else {
			e.Args = append(e.Args, plan.Node{T: x.Type(), Pieces: []plan.NodePiece{{Slot: i, Size: 8}}})
		}
	}
	return b.emission(e)
}

// slotOf captures an expression.
func slotOf(x plan.Expr) plan.Slot {
	if s, ok := x.(*plan.Str); ok {
		return plan.Slot{Kind: plan.SlotStr, X: s.Addr, Size: s.Max}
	}
	if x.Type().Kind == plan.StrType {
		return plan.Slot{Kind: plan.SlotText, X: x, Size: x.Type().Size}
	}
	return plan.Slot{Kind: plan.SlotInt, X: x}
}

// Types and expressions of the cases.
var (
	long     = plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
	function = plan.Type{Kind: plan.FuncType, Size: 8}
	integer  = &ctype.Type{Kind: ctype.Int, Name: "long", Size: 8, Lang: event.LangC}
)

func num(v int64) plan.Expr { return &plan.Const{V: v, T: long} }

func reg(r ctype.Register) plan.Expr { return &plan.Reg{R: r, T: long} }

func builtin(b plan.Builtin) plan.Expr { return &plan.Value{B: b, T: long} }

func binary(op string, x, y plan.Expr) plan.Expr {
	return &plan.Binary{Op: op, X: x, Y: y, Signed: true, T: long}
}

// arg is a parameter that is a number, in slot i of the record.
func arg(name string, i int) plan.Node {
	return plan.Node{Name: name, Type: integer, T: long, Lang: event.LangC, Pieces: []plan.NodePiece{{Slot: i, Size: 8}}}
}

// textArg is a parameter that is text, in slot i.
func textArg(name string, i int) plan.Node {
	return plan.Node{Name: name, View: plan.AsText, Lang: event.LangC, Pieces: []plan.NodePiece{{Slot: i}}}
}

func ints(registers ...ctype.Register) []plan.Slot {
	var slots []plan.Slot
	for _, r := range registers {
		slots = append(slots, plan.Slot{Kind: plan.SlotInt, X: reg(r)})
	}
	return slots
}
