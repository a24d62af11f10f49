package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sonde-project/sonde"
)

// compiled is a compiled eBPF object and what the command line says about it.
type compiled struct {
	path             string // "" for scripts
	target, function string
	attach           []string
	set              []string
	events           []string
	histograms       []string
	sum              bool
	verbose          bool
}

// objectFlags are the flags of `sonde run` that only objects have.
var objectFlags = [...]string{"target", "function", "attach", "set", "event", "hist", "sum", "verbose"}

func (c *compiled) flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.target, "target", "", "object: `TARGET` of programs whose sections name none")
	fs.StringVar(&c.function, "function", "", "object: `FUNCTION` of programs whose sections name none")
	fs.StringArrayVar(&c.attach, "attach", nil, "object: run only the named programs, `PROGRAM=PROBE`; may be repeated")
	fs.StringArrayVar(&c.set, "set", nil, "object: set a global variable, `NAME=VALUE`; may be repeated")
	fs.StringArrayVar(&c.events, "event", nil, "object: what records of a map hold, `MAP=struct NAME`")
	fs.StringArrayVar(&c.histograms, "hist", nil, "object: show the map or variable `NAME` as a histogram of powers of two")
	fs.BoolVar(&c.sum, "sum", false, "object: add up the values of per-CPU maps")
	fs.BoolVar(&c.verbose, "verbose", false, "object: where the kernel's verifier refuses it, show all that it says")
}

// only refuses the flags of objects beside a script.
func (c *compiled) only(fs *pflag.FlagSet) error {
	for _, name := range objectFlags {
		if fs.Changed(name) {
			return usage([]string{"sonde run prog.bpf.o --" + name + " ..."}, "--%s belongs to compiled objects, and this is a script", name)
		}
	}
	return nil
}

// runObject is `sonde run prog.bpf.o`.
func (f *flags) runObject(c *cobra.Command, w world) error {
	if len(f.params) > 1 {
		return usage([]string{"global variables are set by --set NAME=VALUE"}, "an object takes no parameters: %s", f.params[1])
	}
	if f.showScript {
		return usage([]string{"--explain shows where its programs would be armed"}, "a compiled object is no script")
	}
	f.object.path, f.params, f.asScript = f.params[0], nil, true
	return w.observe(c.Context(), w, f.request)
}

// start begins the run of a script or an object.
func (r request) start(ctx context.Context, t *sonde.Target, options []sonde.RunOption) (*sonde.Session, error) {
	if r.object.path != "" {
		return t.RunObject(ctx, r.object.path, options...)
	}
	return t.RunScript(ctx, r.script, options...)
}

// explained writes what would be armed.
func (r request) explained(t *sonde.Target, to io.Writer) error {
	if r.object.path != "" {
		return t.ExplainObject(to, r.object.path, r.options()...)
	}
	return t.Explain(to, r.script, r.options()...)
}

func (c *compiled) options() []sonde.RunOption {
	options := []sonde.RunOption{sonde.Place(c.target, c.function), sonde.Attach(c.attach...), sonde.Set(c.set...), sonde.EventType(c.events...), sonde.Histogram(c.histograms...)}
	if c.sum {
		options = append(options, sonde.SumCPUs())
	}
	return options
}
