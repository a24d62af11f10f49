package resolve

import (
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/prototype"
	"github.com/sonde-project/sonde/script"
)

// tuning are settings of bpftrace's own works, which change nothing that a script shows.
var tuning = []string{"cache_user_symbols", "lazy_symbolication", "log_size", "max_bpf_progs", "max_probes", "max_type_res_iterations", "on_stack_limit",
	"perf_rb_pages"}

// configure reads the settings of a script, config = { missing_probes = ignore }.
func (r *resolver) configure() error {
	for i := range r.script.Config {
		if err := r.setting(&r.script.Config[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) setting(c *script.Assign) error {
	switch name := word(c.Left); {
	case name == "missing_probes":
		return r.missingProbes(c)
	case name == "max_strlen":
		return r.limit(c, &r.scope.Limits.String, 65536)
	case name == "max_map_keys":
		return r.limit(c, &r.scope.Limits.Keys, 1<<24)
	case slices.Contains(tuning, name):
		return nil
	default:
		return r.diag(c.Span, "unsupported", name+" of bpftrace is not available", "settings: missing_probes, max_strlen, max_map_keys")
	}
}

func (r *resolver) limit(c *script.Assign, to *int, most int64) error {
	n, ok := c.Right.(*script.Int)
	if !ok || n.Value < 1 || n.Value > most {
		return r.diag(c.Right.Pos(), "bad-limit", fmt.Sprintf("%s is a number from 1 to %d", word(c.Left), most))
	}
	*to = int(n.Value)
	r.scope.Limits.Capture = max(r.scope.Limits.Capture, 4*r.scope.Limits.String)
	return nil
}

// missingProbes says whether a point that matches nothing is left out, and named with the functions that are not probed, as long as another
// one matches.
func (r *resolver) missingProbes(c *script.Assign) error {
	switch word(c.Right) {
	case "ignore", "warn":
		r.missing = true
	case "error":
		r.missing = false
	default:
		return r.diag(c.Span, "unsupported", "missing_probes is ignore, warn or error")
	}
	return nil
}

// define reads the script's own definitions, which win over those of the target.
func (r *resolver) define() error {
	if len(r.script.Defs) == 0 {
		return nil
	}
	table, err := prototype.Parse(r.script.Types())
	if d, ok := isDiagnostic(err); ok {
		return r.diag(d.Span, d.Code, d.Message, d.Hints...)
	}
	if err != nil {
		return err
	}
	r.types = table.Own()
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
