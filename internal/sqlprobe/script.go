package sqlprobe

import "strings"

// Found is an object that holds a driver.
type Found struct {
	Driver Driver
	Target string                     // as a probe point names it
	Has    func(function string) bool // nil: everything
}

// usable drops the optional probes that the object lacks; false when one that is needed is missing.
func (f Found) usable() ([]Probe, bool) {
	var probes []Probe
	for _, p := range f.Driver.Probes {
		switch {
		case f.Has == nil || f.Has(p.Function):
			probes = append(probes, p)
		case !p.Optional:
			return nil, false
		}
	}
	return probes, true
}

// Script is the script that observes the statements of what was found; "" when none of it can be observed.
func Script(found []Found, stack bool) string {
	var b strings.Builder
	for _, f := range found {
		probes, ok := f.usable()
		if !ok {
			continue
		}
		for _, p := range probes {
			b.WriteString(p.text(f.Driver.Name, f.Target, stack))
		}
	}
	return b.String()
}

func (p Probe) text(driver, target string, stack bool) string {
	var b strings.Builder
	kind := "uprobe:"
	if p.Return {
		kind = "uretprobe:"
	}
	b.WriteString(kind + target + ":" + p.Function)
	if p.If != "" {
		b.WriteString(" /" + p.If + "/")
	}
	b.WriteString(" {\n")
	body := p.Body
	if p.Says.Role != "" {
		says := p.Says.statement(driver, stack)
		if !strings.Contains(body, saysHere) {
			body = strings.TrimSpace(body + " " + saysHere)
		}
		body = strings.Replace(body, saysHere, says, 1)
		body = strings.Replace(body, elseHere, p.Else.statement(driver, stack), 1)
	}
	for line := range strings.SplitSeq(body, "\n") {
		b.WriteString("\t" + line + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// Where a body has its records.
const saysHere, elseHere = "SAYS", "ELSE"
