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
	State string // "ok", "limited", "missing"
	Found string // what is there: "kernel 6.1.0, no uprobe_multi"
	Costs string // what cannot be done, or only more slowly; "" nothing
	Mend  string // how to get it; "" nothing to do
}

// Doctor writes findings: text for people, JSON as one object a line with "type":"check".
func Doctor(f Format, w io.Writer, findings []Finding, o Options) error {
	buffered := bufio.NewWriter(w)
	if f == JSON {
		if err := doctorJSON(buffered, findings); err != nil {
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
	return buffered.Flush()
}

func doctorJSON(w io.Writer, findings []Finding) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, x := range findings {
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
	return nil
}

// doctorLines is "ok       NAME  FOUND", and below it, aligned with what was found, what it costs and how to mend it.
func doctorLines(x Finding, width int, o Options) string {
	paints := map[string]paint{"ok": green, "limited": yellow, "missing": red}
	const stateWidth = 7
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
