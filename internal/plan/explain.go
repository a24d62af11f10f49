package plan

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Means says how an engine would run a plan; the plan itself does not know.
type Means struct {
	Engine string // "kernel"
	Link   string // "uprobe_multi", "one perf event a site"
	Why    string
	// Command is what will be started and observed, "" nothing.
	Command string
	// Refused is what the engine cannot probe of the plan.
	Refused []Refusal
	// Second is the engine that probes what this one passes on: Passed, with what this one says of it.
	Second string
	Passed []Refusal
	// Notes are lines about how the engine would run parts of the plan.
	Notes []string
}

// Explain writes what would be armed where, and why: the text of --explain.
func (p *Plan) Explain(w io.Writer, m Means) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "engine: %s", m.Engine)
	if m.Link != "" {
		fmt.Fprintf(out, ", %s", m.Link)
	}
	if m.Why != "" {
		fmt.Fprintf(out, " (%s)", m.Why)
	}
	fmt.Fprintf(out, "\nobserved: %s\n", p.Filter.describe(m.Command))
	for i := range p.Probes {
		p.explainProbe(out, &p.Probes[i])
	}
	for _, note := range m.Notes {
		fmt.Fprintln(out, note)
	}
	for _, m := range p.Maps {
		fmt.Fprintf(out, "map @%s: %s\n", m.Name, m.describe())
	}
	for _, r := range slices.Concat(p.Refusals, m.Refused) {
		fmt.Fprintf(out, "refused: %s of %s: %s\n", r.Function, r.Object, r.Why)
	}
	for _, r := range m.Passed {
		fmt.Fprintf(out, "%s: %s of %s: %s\n", m.Second, r.Function, r.Object, r.Why)
	}
	return out.Flush()
}

func (p *Plan) explainProbe(out io.Writer, probe *Probe) {
	fmt.Fprintf(out, "%s", probe.Name)
	if len(probe.Sites) > 0 {
		fmt.Fprintf(out, ": %d site%s", len(probe.Sites), plural(len(probe.Sites)))
	}
	if n := len(probe.Bodies); n > 1 {
		fmt.Fprintf(out, ", %d programs by type", n)
	}
	fmt.Fprintln(out)
	last := -1
	for _, s := range probe.Sites {
		if s.Function != last {
			p.explainFunction(out, &p.Functions[s.Function])
			last = s.Function
		}
		fmt.Fprintf(out, "    %-12s %#x  %-32s %-9s %s\n", s.Role, uint64(s.Addr), s.Instruction, s.Cost, s.Why)
	}
	for i := range probe.Bodies {
		explainBody(out, &probe.Bodies[i])
	}
}

func (p *Plan) explainFunction(out io.Writer, f *Function) {
	name := f.Name
	switch {
	case f.Signature != nil:
		name = f.Signature.String(f.Name) + "  (types: " + f.Signature.Source + ")"
	case f.SplitTypes != "":
		name += "  (types: in " + f.SplitTypes + ", which " + f.SplitProblem + ": compiled with -gsplit-dwarf)"
	}
	fmt.Fprintf(out, "  %s  %s\n", p.Objects[f.Object].Path, name)
}

func explainBody(out io.Writer, b *Body) {
	if b.Frame == nil {
		return
	}
	kinds := map[SlotKind]int{}
	for _, s := range b.Frame.Slots {
		kinds[s.Kind]++
	}
	fmt.Fprintf(out, "    kept from entry to return: time")
	for k := SlotInt; k <= SlotSym; k++ {
		if kinds[k] > 0 {
			fmt.Fprintf(out, ", %d %s%s", kinds[k], k, plural(kinds[k]))
		}
	}
	fmt.Fprintln(out)
}

// String names the kind of a capture.
func (k SlotKind) String() string {
	return [...]string{"number", "block", "string", "buffer", "stack", "text", "tuple", "code address"}[k]
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func (f Filter) describe(command string) string {
	var parts []string
	switch {
	case command != "":
		parts = append(parts, command+" and what it starts")
	case len(f.PIDs) > 0 && f.Children:
		parts = append(parts, fmt.Sprintf("process %s and what it starts", join(f.PIDs)))
	case len(f.PIDs) > 0:
		parts = append(parts, "process "+join(f.PIDs))
	default:
		parts = append(parts, "every process")
	}
	if f.Comm != "" {
		parts = append(parts, "threads named "+f.Comm)
	}
	if f.UID != nil {
		parts = append(parts, fmt.Sprintf("user %d", *f.UID))
	}
	if f.Cgroup != 0 {
		parts = append(parts, fmt.Sprintf("cgroup %d", f.Cgroup))
	}
	return strings.Join(parts, ", ")
}

func join(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func (m *Map) describe() string {
	text := [...]string{"value", "count", "sum", "avg", "min", "max", "stats", "hist", "lhist", "quantiles"}[m.Kind]
	if len(m.Part) > 0 {
		text += " by " + strings.Join(m.Part, ", ")
	}
	if m.Dense {
		text += ", an array indexed by function"
	}
	return text
}
