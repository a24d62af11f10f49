package resolve

import (
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// configure reads config = { missing_probes = ignore }, the one setting of bpftrace that a script's meaning hangs on: a point that matches
// nothing is then left out, and named with the functions that are not probed, as long as another one matches.
func (r *resolver) configure() error {
	for _, c := range r.script.Config {
		name, _ := c.Left.(*script.Ident)
		if name == nil || name.Name != "missing_probes" {
			return r.diag(c.Span, "unsupported", "of settings only missing_probes is known here", "limits are flags: --string, --depth")
		}
		switch word(c.Right) {
		case "ignore", "warn":
			r.missing = true
		case "error":
			r.missing = false
		default:
			return r.diag(c.Span, "unsupported", "missing_probes is ignore, warn or error")
		}
	}
	return nil
}

// word is a value that stands as a name or as a text.
func word(x script.Expr) string {
	switch x := x.(type) {
	case *script.Ident:
		return x.Name
	case *script.Str:
		return x.Value
	}
	return ""
}

// absent reports that a point matches nothing and may do so.
func (r *resolver) absent(pt *script.Point, err error) bool {
	d, ok := isDiagnostic(err)
	if !ok || !r.missing {
		return false
	}
	switch d.Code {
	case script.NoFunction, script.NoLibrary, script.NoProgram, "no-usdt":
		r.plan.Refusals = append(r.plan.Refusals, plan.Refusal{Function: pt.String(), Why: d.Message})
		return true
	}
	return false
}
