package render

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// Finding is one thing that was looked at on this machine.
type Finding struct {
	Name  string // what was looked at: "uprobe_multi links"
	State string // "ok", "gap", "info"
	Found string // what is there: "kernel 6.1.0, no uprobe_multi"
	Costs string // what cannot be done, or only more slowly; "" nothing
	Mend  string // how to get it; "" nothing to do
}

// Diagnosis is what a machine allows.
type Diagnosis struct {
	Engine   string // the engine that a run would use, "" when none can
	Findings []Finding
}

// Doctor writes a diagnosis: text for people, JSON as one object a line with "type":"check", the last with "type":"doctor".
func Doctor(f Format, w io.Writer, d Diagnosis, o Options) error {
	buffered, findings := bufio.NewWriter(w), d.Findings
	if f == JSON {
		if err := doctorJSON(buffered, d); err != nil {
			return err
		}
		return buffered.Flush()
	}
	width := 0
	for _, x := range findings {
		width = max(width, utf8.RuneCountInString(x.Name))
	}
	for _, x := range findings {
		buffered.WriteString(doctorLines(x, width, o))
	}
	switch d.Engine {
	case "":
		buffered.WriteString("\n" + o.in(red, "no engine can run here") + "\n")
	case "user":
		buffered.WriteString("\nsonde would use the user engine, where a command or -p says on whom\n")
	default:
		buffered.WriteString("\nsonde would use the " + clean(d.Engine) + " engine\n")
	}
	return buffered.Flush()
}

func doctorJSON(w io.Writer, d Diagnosis) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, x := range d.Findings {
		err := enc.Encode(struct {
			Type  string `json:"type"`
			Name  string `json:"name"`
			State string `json:"state"`
			Found string `json:"found"`
			Costs string `json:"costs,omitempty"`
			Mend  string `json:"mend,omitempty"`
		}{"check", x.Name, x.State, x.Found, x.Costs, x.Mend})
		if err != nil {
			return err
		}
	}
	return enc.Encode(struct {
		Type   string `json:"type"`
		Engine string `json:"engine"`
	}{"doctor", d.Engine})
}

// doctorLines is "ok       NAME  FOUND", and below it, aligned with what was found, what it costs and how to mend it.
func doctorLines(x Finding, width int, o Options) string {
	paints := map[string]paint{"ok": green, "gap": yellow, "info": faint}
	const stateWidth = 4
	state := o.in(paints[x.State], x.State) + strings.Repeat(" ", max(stateWidth-utf8.RuneCountInString(x.State), 0))
	name := clean(x.Name) + strings.Repeat(" ", width-utf8.RuneCountInString(x.Name))
	indent := strings.Repeat(" ", stateWidth+width+4)
	text := strings.TrimRight(state+"  "+o.in(bold, name)+"  "+clean(x.Found), " ") + "\n"
	if x.Costs != "" {
		text += indent + "costs: " + clean(x.Costs) + "\n"
	}
	if x.Mend != "" {
		text += indent + "mend:  " + o.in(cyan, clean(x.Mend)) + "\n"
	}
	return text
}
