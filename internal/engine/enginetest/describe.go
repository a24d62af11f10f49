package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// describer puts events and maps in words that do not change from run to run.
type describer struct{ dec *plan.Decoder }

func (d *describer) events(t *testing.T, records [][]byte) []string {
	t.Helper()
	var lines []string
	for _, r := range records {
		e, err := d.dec.Record(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, describe(t, e))
	}
	return lines
}

func describe(t *testing.T, e event.Event) string {
	t.Helper()
	switch e := e.(type) {
	case *event.Call:
		return describeCall(t, e)
	case *event.Print:
		return strings.TrimSuffix(e.Text(), "\n")
	case *event.Exit:
		return fmt.Sprintf("exit %d", e.Code)
	}
	return fmt.Sprintf("%T", e)
}

// describeCall gives "f(a=1, b=2) = 3", and what else is not as usual.
func describeCall(t *testing.T, c *event.Call) string {
	t.Helper()
	if c.PID == 0 || c.TID == 0 || c.Comm == "" || c.Time.IsZero() || c.Outcome.Ended() && c.Duration <= 0 || c.Duration > 1e12 {
		t.Errorf("a call without process, name or time: %+v", c)
	}
	var args []string
	for i := range c.Args {
		args = append(args, c.Args[i].Name+"="+c.Args[i].Value.Text(c.Language))
	}
	text := c.Function + "(" + strings.Join(args, ", ") + ")"
	if c.Return != nil {
		text += " = " + c.Return.Text(c.Language)
	}
	if c.Outcome > event.Returned {
		text += " " + c.Outcome.String()
	}
	if c.Callee != "" {
		text += " " + c.Callee
	}
	if c.Depth > 0 {
		text += fmt.Sprintf(" depth %d", c.Depth)
	}
	if len(c.Stack) > 0 {
		text += " with stack"
	}
	return text
}

func (d *describer) maps(t *testing.T, o *Observation) []string {
	t.Helper()
	var lines []string
	for i := range o.Cells {
		m, err := d.dec.Map(i, func(fn func(key []byte, values [][]byte) error) error {
			for _, c := range o.Cells[i] {
				if err := fn(c.Key, c.Values); err != nil {
					return err
				}
			}
			return nil
		}, o.Stack)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Entries {
			lines = append(lines, "@"+m.Name+describeEntry(&e))
		}
	}
	return lines
}

// describeEntry gives "[key]: value".
func describeEntry(e *event.Entry) string {
	var keys []string
	for i := range e.Key {
		keys = append(keys, describeKey(&e.Key[i]))
	}
	text := ": "
	if len(keys) > 0 {
		text = "[" + strings.Join(keys, ", ") + "]: "
	}
	a := &e.Agg
	switch a.Kind {
	case event.AggValue:
		return text + a.Value.Text(event.LangC)
	case event.AggCount:
		return text + fmt.Sprint(a.Count)
	case event.AggSum:
		return text + fmt.Sprint(a.Sum)
	case event.AggMin:
		return text + fmt.Sprint(a.Min)
	case event.AggMax:
		return text + fmt.Sprint(a.Max)
	}
	text += fmt.Sprintf("count %d sum %d", a.Count, a.Sum)
	for _, b := range a.Buckets {
		text += fmt.Sprintf(" [%d,%d)%d", b.Low, b.High, b.Count)
	}
	return text
}

// describeKey tells of a stack only that it is there: its addresses are not the same in two runs.
func describeKey(v *event.Value) string {
	if v.Kind == event.KindStack {
		if len(v.Frames) < 2 {
			return "no stack"
		}
		return "stack"
	}
	return v.Text(event.LangC)
}
