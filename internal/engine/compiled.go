package engine

import (
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

// Codes of what an engine cannot do with an object's programs.
const (
	NotArmed script.Code = "not-armed"
	Refused  script.Code = "program-refused"
)

// Compiled is a compiled object whose programs are the bodies of a plan's probes.
type Compiled struct {
	Plan   *plan.Plan
	Object *object.Object
	Armed  []object.Armed
	// Owner says, by probe of the plan, which program it runs: an index into Armed.
	Owner []int
	// Cookies are what programs are told about their sites; sites that are not there have 0.
	Cookies map[*plan.Site]uint64
	// Specs are the entries of the map object.SpecsMap, by index.
	Specs [][]byte
}

// Compile brings a plan and an object together. Each point of armed is one probe of the plan, in their order.
func Compile(p *plan.Plan, o *object.Object, armed []object.Armed) (*Compiled, error) {
	c := &Compiled{Plan: p, Object: o, Armed: armed, Cookies: map[*plan.Site]uint64{}}
	for i, a := range armed {
		for range a.Points {
			c.Owner = append(c.Owner, i)
		}
	}
	if len(c.Owner) != len(p.Probes) {
		return nil, fmt.Errorf("object: a plan of %d probes for %d points", len(p.Probes), len(c.Owner))
	}
	return c, c.statics()
}

// statics writes the specifications of static probes' arguments, and gives each site its cookie: the index of its own.
func (c *Compiled) statics() error {
	known := map[string]int{}
	for i := range c.Plan.Probes {
		if c.Armed[c.Owner[i]].Kind != object.Static {
			continue
		}
		for j := range c.Plan.Probes[i].Sites {
			st := &c.Plan.Probes[i].Sites[j]
			if st.Note == nil {
				continue
			}
			b, err := c.Object.StaticSpec(st.Note, codegen.RegisterPlace, codegen.PlaceOfIP)
			if err != nil || b == nil {
				return err
			}
			id, ok := known[string(b)]
			if !ok {
				id = len(c.Specs)
				known[string(b)] = id
				c.Specs = append(c.Specs, b)
			}
			c.Cookies[st] = uint64(id)
		}
	}
	if m := c.Object.Spec.Maps[object.SpecsMap]; m != nil && len(c.Specs) > int(m.MaxEntries) {
		return &script.Diagnostic{Code: Refused, Message: fmt.Sprintf("the static probes pass their arguments in %d ways, and the object has room for %d", len(c.Specs), m.MaxEntries),
			Hints: []string{"compile it with a larger BPF_USDT_MAX_SPEC_CNT"}}
	}
	return nil
}

// Program is the program of a probe.
func (c *Compiled) Program(probe int) *object.Armed { return &c.Armed[c.Owner[probe]] }

// Takes says whether a probe's program is armed at a site, and what to tell of one that is left out. Returns are seen as the plan says: where a
// replaced return address could end the program, at ret instructions, where the result is in the same register. A tail jump comes before there is
// a result, so it is left out and said.
func (c *Compiled) Takes(probe int, st *plan.Site) (wanted bool, why string) {
	switch c.Program(probe).Kind {
	case object.Session:
		if st.Role != site.Trampoline && st.Role != site.Entry {
			return false, "a session needs the kernel's trampoline, which is not safe here"
		}
		return st.Role == site.Trampoline, ""
	case object.Return:
		if st.Role == site.TailJump {
			return false, "it leaves by a jump to another function too, and those returns are not seen"
		}
	}
	return true, ""
}

// Refuse notes once per function why a site is left out.
func (c *Compiled) Refuse(list []plan.Refusal, st *plan.Site, why string) []plan.Refusal {
	r := plan.Refusal{Object: c.Plan.Objects[st.Object].Path, Function: c.Plan.Functions[st.Function].Name, Why: why}
	if slices.Contains(list, r) {
		return list
	}
	return append(list, r)
}

// Nowhere is the error of a probe whose program would never run.
func (c *Compiled) Nowhere(probe int) error {
	p := &c.Plan.Probes[probe]
	d := &script.Diagnostic{Code: NotArmed, Message: fmt.Sprintf("program %s cannot be armed at %s", c.Program(probe).Name, p.Name)}
	for i := range p.Sites {
		st := &p.Sites[i]
		f := &c.Plan.Functions[st.Function]
		_, why := c.Takes(probe, st)
		hint := f.Name + ": " + f.ReturnWhy
		if !slices.Contains(d.Hints, hint) && f.ReturnWhy != "" && len(d.Hints) < 3 {
			d.Hints = append(d.Hints, hint)
		}
		if why != "" && !slices.Contains(d.Hints, why) {
			d.Hints = append(d.Hints, why)
		}
	}
	return d
}
