package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// Symbolizer names addresses of an observed process. A name that is not known is "".
type Symbolizer interface {
	// Frame gives what lies at a run-time address: the innermost inlined instance first, and at least one frame.
	Frame(pid int, pc uint64) []event.Frame
	// Function names the function that begins at the address.
	Function(pid int, addr uint64) string
	// DynamicType gives the type whose run-time mark is at the address: a descriptor of Go, a table of virtual functions. The type
	// is nil when only the name is known.
	DynamicType(pid int, addr uint64) (string, *ctype.Type)
}

// Clock ties the monotonic clock of records to the wall clock: both were read at one moment.
type Clock struct {
	Wall time.Time
	Mono uint64 // nanoseconds
}

// At gives the wall clock time of a monotonic one.
func (c Clock) At(mono uint64) time.Time { return c.Wall.Add(time.Duration(mono - c.Mono)) }

// Decoder turns records and map cells into events. It is not safe for use by several goroutines at once.
type Decoder struct {
	plan  *Plan
	clock Clock
	sym   Symbolizer
	slots [][]SlotKind // by emission: those of the frame first
	names map[*ctype.Type]string
	comms [64]comm // of threads, by their number's lowest bits

	// What decoding one record takes beside what it gives: it begins anew with the next.
	record record
	blocks [32]block
	used   int

	// reuse: what a record gives is made of what the one before gave.
	reuse  bool
	print  event.Print
	call   event.Call
	values []event.Value
	fields []event.Field
	mixed  bool // some of them were more than plain, and have what plain does not set
}

// Reuse makes Record give the same Print and the same Call each time, with other values: they are gone with the next record.
func (d *Decoder) Reuse() { d.reuse = true }

// comm is the name of a thread as records have it, and as text.
type comm struct {
	bytes [CommSize]byte
	text  string
}

// NewDecoder reads what the plan sends. Without a Symbolizer (nil) addresses stay numbers.
func NewDecoder(p *Plan, clock Clock, sym Symbolizer) *Decoder {
	if sym == nil {
		sym = nameless{}
	}
	d := &Decoder{plan: p, clock: clock, sym: sym, slots: make([][]SlotKind, len(p.Emissions)), names: map[*ctype.Type]string{}}
	for i := range p.Probes {
		for j := range p.Probes[i].Bodies {
			body := &p.Probes[i].Bodies[j]
			d.findSlots(body.Stmts, body.Frame)
		}
	}
	return d
}

// findSlots notes the kinds of the slots of every emission of a body.
func (d *Decoder) findSlots(stmts []Stmt, frame *Frame) {
	walkStmts(stmts, func(node any) {
		s, ok := node.(*Emit)
		if !ok {
			return
		}
		e := &d.plan.Emissions[s.Emission]
		kinds := []SlotKind(nil)
		if e.Frame && frame != nil {
			kinds = slotKinds(kinds, frame.Slots)
		}
		d.slots[s.Emission] = slotKinds(kinds, e.Slots)
	})
}

func slotKinds(kinds []SlotKind, slots []Slot) []SlotKind {
	for i := range slots {
		kinds = append(kinds, slots[i].Kind)
	}
	return kinds
}

// nameless knows no names.
type nameless struct{}

func (nameless) Frame(_ int, pc uint64) []event.Frame                 { return []event.Frame{{PC: pc}} }
func (nameless) Function(int, uint64) string                          { return "" }
func (nameless) DynamicType(int, uint64) (name string, _ *ctype.Type) { return "", nil }

// Record decodes one record. The bytes may be anything: what cannot be a record is an error, and what a record lacks is
// a value with a Problem.
func (d *Decoder) Record(b []byte) (event.Event, error) {
	if len(b) < PrintHeader {
		return nil, fmt.Errorf("record of %d bytes: shorter than its header", len(b))
	}
	emission := binary.LittleEndian.Uint32(b[RecordEmission:])
	function := binary.LittleEndian.Uint32(b[RecordFunction:])
	if uint64(emission) >= uint64(len(d.plan.Emissions)) {
		return nil, fmt.Errorf("record of emission %d: the plan has %d", emission, len(d.plan.Emissions))
	}
	e := &d.plan.Emissions[emission]
	if len(b) < e.Header() {
		return nil, fmt.Errorf("record of %d bytes: shorter than its header", len(b))
	}
	pids := binary.LittleEndian.Uint64(b[RecordPID:])
	r := &d.record
	clear(d.blocks[:d.used])
	d.used = 0
	*r = record{
		d: d, bytes: b, header: e.Header(), kinds: d.slots[emission], left: valueBudget,
		emission: e, function: int(function), pid: int(pids >> 32), tid: int(pids & 0xffffffff),
		time: d.clock.At(binary.LittleEndian.Uint64(b[RecordTime:])),
	}
	return r.event()
}

// event builds what the record tells of.
func (r *record) event() (event.Event, error) {
	e, p := r.emission, r.d.plan
	switch e.Kind {
	case EmitCall:
		return r.call()
	case EmitPrintf, EmitPrint:
		return r.print(), nil
	case EmitExit:
		return &event.Exit{Code: e.Code}, nil
	case EmitTime:
		text := event.String(strftime(e.Format, r.time))
		return &event.Print{Time: r.time, PID: r.pid, TID: r.tid, Format: "%s", Args: []event.Value{text}}, nil
	}
	if e.Map < 0 || e.Map >= len(p.Maps) {
		return nil, fmt.Errorf("record of map %d: the plan has %d", e.Map, len(p.Maps))
	}
	m := &p.Maps[e.Map]
	switch e.Kind {
	case EmitMapPrint:
		return &event.MapPrint{Map: event.Map{Name: m.Name, Kind: m.Kind, Keys: m.Part}, Top: e.Top, Div: e.Div}, nil
	case EmitMapClear, EmitMapZero:
		return &event.MapClear{Name: m.Name, Zero: e.Kind == EmitMapZero}, nil
	}
	return nil, fmt.Errorf("emission of kind %d: unknown", e.Kind)
}

func (r *record) print() *event.Print {
	shape := r.emission.For(r.function)
	out, args := r.d.newPrint(len(shape.Args))
	out.Time, out.PID, out.TID, out.Format = r.time, r.pid, r.tid, r.emission.Format
	if r.emission.Kind == EmitPrint {
		out.Format = ""
	}
	if f := r.probed(r.function); f != nil {
		out.Language = f.Lang
	}
	for i := range shape.Args {
		r.into(&args[i], &shape.Args[i])
	}
	out.Args = args
	return out
}

// newPrint makes a Print with its arguments, most often at once.
func (d *Decoder) newPrint(args int) (*event.Print, []event.Value) {
	const few = 4
	switch {
	case d.reuse && args > 0:
		d.print = event.Print{}
		d.wipe()
		d.values = slices.Grow(d.values[:0], args)[:args]
		return &d.print, d.values
	case args == 0:
		return &event.Print{}, nil
	case args > few:
		return &event.Print{}, make([]event.Value, args)
	}
	both := &struct {
		event.Print
		args [few]event.Value
	}{}
	return &both.Print, both.args[:args:args]
}

// probed gives the function with an ID, nil when there is none.
func (r *record) probed(id int) *Function {
	if id < 0 || id >= len(r.d.plan.Functions) {
		return nil
	}
	return &r.d.plan.Functions[id]
}

func (r *record) call() (*event.Call, error) {
	f := r.probed(r.function)
	if f == nil {
		return nil, fmt.Errorf("record of function %d: the plan has %d", r.function, len(r.d.plan.Functions))
	}
	outcome := binary.LittleEndian.Uint32(r.bytes[RecordOutcome:])
	call := r.d.newCall()
	*call = event.Call{
		Time: r.time, PID: r.pid, TID: r.tid, Comm: r.comm(),
		Goroutine: binary.LittleEndian.Uint64(r.bytes[RecordGoid:]),
		Depth:     int(binary.LittleEndian.Uint32(r.bytes[RecordDepth:])),
		Target:    r.object(f), Function: f.Name, Language: f.Lang,
		Outcome: min(event.Outcome(outcome&0xff), event.Unfinished),
	}
	if callee := r.probed(int(outcome>>8) - 1); callee != nil && call.Outcome == event.TailCalled {
		call.Callee = callee.Name
	}
	if call.Outcome.Ended() {
		call.Duration = time.Duration(binary.LittleEndian.Uint64(r.bytes[RecordDuration:]))
	}
	r.values(call)
	return call, nil
}

func (d *Decoder) newCall() *event.Call {
	if d.reuse {
		return &d.call
	}
	return &event.Call{}
}

// comm is the thread's name: most often the one that it had before.
func (r *record) comm() string {
	bytes := [CommSize]byte(r.bytes[RecordComm:])
	known := &r.d.comms[r.tid&(len(r.d.comms)-1)]
	if known.text == "" || known.bytes != bytes {
		known.bytes, known.text = bytes, string(beforeNUL(bytes[:]))
	}
	return known.text
}

func (r *record) object(f *Function) string {
	if f.Object < 0 || f.Object >= len(r.d.plan.Objects) {
		return ""
	}
	return r.d.plan.Objects[f.Object].Path
}

// values fills in what was captured. A call that a tail jump ended has no result: the function it jumped to gives it.
func (r *record) values(call *event.Call) {
	shape := r.emission.For(r.function)
	over := call.Outcome == event.Returned || call.Outcome == event.Recovered
	call.Args = r.args(shape.Args, over)
	if shape.Result != nil && (over || call.Outcome == event.Entered) {
		result := r.node(shape.Result, 0)
		call.Return = &result
		call.Errno = r.errno(shape, &result)
	}
	if shape.StackSlot >= 0 {
		if got := r.slot(shape.StackSlot); got.problem == "" {
			call.Stack = r.stack(r.withCaller(shape, got.bytes))
		}
	}
}

// args gives the parameters; one that the callee filled is shown as it was left.
func (r *record) args(nodes []Node, over bool) []event.Field {
	args, some := r.d.newFields(len(nodes)), 0
	for i := range nodes {
		n := &nodes[i]
		if !n.Out {
			args[some].Name = n.Name
			r.into(&args[some].Value, n)
			some++
			continue
		}
		if over && n.At >= 0 && n.At < int64(some) && !r.unfilled(n) {
			args[n.At].Value, r.d.mixed = r.node(n, 0), true
		}
	}
	return args[:some]
}

func (d *Decoder) newFields(n int) []event.Field {
	if !d.reuse || n == 0 {
		return make([]event.Field, n)
	}
	d.wipe()
	d.fields = slices.Grow(d.fields[:0], n)[:n]
	return d.fields
}

// wipe clears what is made use of again, where it has to be.
func (d *Decoder) wipe() {
	if d.mixed {
		clear(d.values[:cap(d.values)])
		clear(d.fields[:cap(d.fields)])
		d.mixed = false
	}
}

// unfilled reports whether there was no reason to read what the callee may have filled: the call failed.
func (r *record) unfilled(n *Node) bool {
	for i := range n.Follow {
		if !r.skipped(&n.Follow[i]) {
			return false
		}
	}
	return true
}

// withCaller puts the caller into a stack that lacks it.
func (r *record) withCaller(shape *Shape, pcs []byte) []byte {
	got := r.slot(shape.CallerSlot - 1)
	if shape.CallerSlot == 0 || got.problem != "" || len(pcs) < 8 || len(pcs) >= 16 && bytes.Equal(pcs[8:16], got.bytes) {
		return pcs
	}
	return slices.Insert(slices.Clone(pcs), 8, got.bytes...)
}

// stack gives the frames of raw PCs. All but the first are return addresses: the call is the instruction before.
func (r *record) stack(pcs []byte) []event.Frame {
	var frames []event.Frame
	for i := 0; i+8 <= len(pcs); i += 8 {
		pc := binary.LittleEndian.Uint64(pcs[i:])
		if pc == 0 {
			break
		}
		frames = append(frames, r.d.frames(r.pid, pc, i > 0)...)
	}
	return frames
}

func (d *Decoder) frames(pid int, pc uint64, returnAddress bool) []event.Frame {
	back := uint64(0)
	if returnAddress {
		back = 1
	}
	at := d.sym.Frame(pid, pc-back)
	frames := make([]event.Frame, len(at))
	for i, f := range at {
		f.PC, f.Offset = f.PC+back, f.Offset+back
		frames[i] = f
	}
	return frames
}
