package user

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	ebpfobject "github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
)

// Object is a compiled object inside a process. What it says of itself is a session's, but for records, which have the header of package
// object, and cells, which are those of the object's tables.
type Object struct {
	*Session
	compiled *engine.Compiled
	left     []plan.Refusal // sites that its programs are not armed at
	record   []byte         // the one handed out
	read     uint64         // records handed out
}

// ownEach is for how many threads an object's per-CPU arrays have values: each that can have a slot. Its programs change them without locking.
const ownEach = 4096

// OpenObject maps the region of an object into its process. The programs are those of kernel.Verify.
func OpenObject(c *engine.Compiled, programs []asm.Instructions) (*Object, error) {
	return openObject(c, programs, running(c.Plan), false)
}

// OpenObjectFollowed is OpenObject for a command that is held, and for what it executes; see OpenFollowed.
func OpenObjectFollowed(c *engine.Compiled, programs []asm.Instructions, trace func(func())) (*Object, error) {
	return openObject(c, programs, held(c.Plan, trace), true)
}

// CheckObject says why an object cannot run inside a process, and which of its sites cannot be patched there; of a command that is not there yet, as far
// as files tell.
func CheckObject(c *engine.Compiled, programs []asm.Instructions) ([]plan.Refusal, error) {
	o, err := prepare(c, programs)
	if err != nil {
		return nil, err
	}
	survey := NewSurvey()
	defer survey.Close()
	if c.Plan.Filter.Children {
		return append(refusals(c.Plan, survey.inFiles(o.aims)), o.left...), nil
	}
	w, err := survey.placed(o.aims)
	if err != nil {
		return nil, err
	}
	return append(refusals(c.Plan, w.refused), o.left...), nil
}

func openObject(c *engine.Compiled, programs []asm.Instructions, processes func() ([]*inject.Process, error), follows bool) (*Object, error) {
	o, err := prepare(c, programs)
	if err != nil {
		return nil, err
	}
	o.follows, o.looks, o.survey = follows, !follows, NewSurvey()
	if err := o.start(processes); err != nil {
		return nil, err
	}
	if err := o.fill(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// prepare does all that needs no process.
func prepare(c *engine.Compiled, programs []asm.Instructions) (*Object, error) {
	p := c.Plan
	if err := checkScope(p); err != nil {
		return nil, err
	}
	o := &Object{compiled: c}
	aims, err := o.sites()
	if err != nil {
		return nil, err
	}
	inside := *p
	inside.Filter.Children, inside.Filter.PIDs = false, p.Filter.PIDs[:1] // gates know which processes are observed
	guard, err := codegen.NewGuard(&inside, translate.Features(cpus()), "")
	if err != nil {
		return nil, err
	}
	foreign := translate.Object{Programs: programs, Maps: c.Object.Maps()}
	for i := range c.Armed {
		foreign.Names = append(foreign.Names, c.Armed[i].Name)
	}
	code, err := foreign.Program(guard, cpus())
	if err != nil {
		return nil, notOffered("cannot run %v", err)
	}
	layout, err := shm.Lay(translate.Specs(code), ownEach)
	if err != nil {
		return nil, notOffered("has no room: %v", err)
	}
	if err := tried(code, layout, func(i int) string { return "program " + c.Armed[i].Name }); err != nil {
		return nil, err
	}
	o.Session = &Session{plan: p, wake: engine.NewWaker(), code: code, layout: layout, aims: newAimed(p, aims)}
	return o, nil
}

// sites lists where programs are armed.
func (o *Object) sites() ([]spot, error) {
	c := o.compiled
	var out []spot
	for i := range c.Plan.Probes {
		if armed := c.Program(i); armed.Kind == ebpfobject.Session {
			return nil, notOffered("has no sessions, which program %s is written for", armed.Name)
		}
		some := false
		for j := range c.Plan.Probes[i].Sites {
			st := &c.Plan.Probes[i].Sites[j]
			wanted, why := c.Takes(i, st)
			if why != "" {
				o.left = c.Refuse(o.left, st, why)
			}
			if wanted {
				some = true
				out = append(out, spot{site: st, probe: i, index: j, program: c.Owner[i], cookie: c.Cookies[st]})
			}
		}
		if !some {
			return nil, c.Nowhere(i)
		}
	}
	return out, nil
}

// fill stores what maps hold from the beginning, and opens the rings.
func (o *Object) fill() error {
	if err := translate.Fill(o.code, o.layout, o.memory); err != nil {
		return err
	}
	specs, err := o.table(translate.ObjectMap(ebpfobject.SpecsMap))
	if err != nil {
		return err
	}
	for id, b := range o.compiled.Specs {
		if err := specs.Put(binary.NativeEndian.AppendUint32(nil, uint32(id)), b); err != nil {
			return err
		}
	}
	for i, source := range o.compiled.Object.Sources {
		reader, err := o.layout.Reader(o.memory, translate.ObjectMap(source.Map))
		if err != nil {
			return err
		}
		o.rings = append(o.rings, ring{reader, func(record []byte) []byte { return o.headed(uint32(i), record) }})
	}
	if o.layout.Map(shm.LinesMap) == nil {
		return nil
	}
	reader, err := o.layout.Reader(o.memory, shm.LinesMap)
	o.rings = append(o.rings, ring{reader, o.line})
	return err
}

// headed puts the header before a record.
func (o *Object) headed(source uint32, record []byte) []byte {
	o.read++
	o.record = append(o.record[:0], make([]byte, ebpfobject.Header)...)
	ebpfobject.PutHeader(o.record, source)
	o.record = append(o.record, record...)
	return o.record
}

// line makes a line of what a program wrote.
func (o *Object) line(record []byte) []byte {
	l, ok := shm.ReadLine(record)
	if !ok {
		return nil // the process may write anything
	}
	text := ebpfobject.Line{Time: l.Time, IDs: l.IDs, Comm: l.Name, Format: l.Format, Args: l.Args, Texts: l.Texts}
	b := text.Record()
	if b != nil {
		o.read++
	}
	return b
}

// Arm is Session.Arm, with the sites that no program is armed at.
func (o *Object) Arm() ([]plan.Refusal, error) {
	refusals, err := o.Session.Arm()
	return append(refusals, o.left...), err
}

// Cells calls fn for every entry of a table of the object; see Session.Cells. A variable is one entry without key.
func (o *Object) Cells(table int, fn func(key []byte, values [][]byte) error) error {
	t := &o.compiled.Object.Tables[table]
	name := translate.ObjectMap(t.Map)
	if !t.Variable {
		return o.cellsOf(name, fn)
	}
	data, err := o.table(name)
	if data == nil || err != nil {
		return err
	}
	b, ok := data.Get(make([]byte, 4))
	if !ok || t.At+t.Size > len(b) {
		return fmt.Errorf("variable %s: not in %d bytes of %s", t.Name, len(b), t.Map)
	}
	return fn(nil, [][]byte{b[t.At:][:t.Size]})
}

// Counts is Session.Counts, with the records.
func (o *Object) Counts() (engine.Counts, error) {
	c, err := o.Session.Counts()
	c.Of[plan.CountEvents] += o.read
	for i := range o.rings {
		c.Of[plan.CountLostRing] += o.rings[i].Lost()
	}
	return c, err
}

// What scripts have and objects do not.

// Run does nothing: objects have no programs that run by themselves.
func (o *Object) Run(int) error { return nil }

// Clear does nothing: only scripts clear maps.
func (o *Object) Clear(int, bool) error { return nil }
