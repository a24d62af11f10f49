package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sonde-project/sonde/script"
)

// flags are the values of a verb's flags.
type flags struct {
	from, to string // of time
	request
	condition  string
	sample     int
	by         []string
	stack      bool
	showScript bool
}

// request is an observation as the command line asks for it: what package sonde and the output need to know.
type request struct {
	script      *script.Script
	pids        []int
	comm        string
	uid         *uint32
	command     []string
	params      []string // of a script
	duration    time.Duration
	maxEvents   int
	engine      string
	returns     string
	stringLimit int
	depth       int
	prototypes  string
	unsafe      bool
	explain     bool
	live        bool
	readyFile   string
	output      output
	asScript    bool // maps as a script prints them, not as tables
	object      compiled
}

// observing are the flags of every verb that observes.
func (f *flags) observing(fs *pflag.FlagSet) {
	fs.VarP((*pidList)(&f.pids), "pid", "p", "observe only process `PID`; may be repeated")
	fs.StringVarP(&f.comm, "comm", "c", "", "observe only threads with this `NAME`")
	fs.Var(&userID{&f.uid}, "uid", "observe only processes of this `USER` (name or ID)")
	fs.VarP((*period)(&f.duration), "duration", "d", "end after this `TIME`: 5s, 500ms, 1m; a bare number is seconds")
	fs.VarP((*positive)(&f.maxEvents), "max-events", "n", "end after `N` events")
	fs.VarP(&f.output, "output", "o", "write `FORMAT` (text, json, csv) to standard output, or the format of its extension to FILE.ext")
	fs.StringVar(&f.readyFile, "ready-file", "", "create `FILE` when all probes are armed")
	fs.BoolVar(&f.showScript, "show-script", false, "print the script that this verb stands for, and end")
	fs.BoolVar(&f.explain, "explain", false, "print what would be armed where, and why, and end")
	f.engine, f.returns = "auto", "auto"
	fs.Var(&word{&f.engine, []string{"auto", "kernel", "user", "user,kernel", "hybrid", "tracefs"}}, "engine", "run the probes by `ENGINE`: auto, kernel, user, hybrid, tracefs; user,kernel: inside the process where it can be, else the kernel; hybrid: predicates inside the process, the rest in the kernel")
	fs.Var(&word{&f.returns, []string{"auto", "trampoline", "sites"}}, "return", "see returns by `WAY`: auto, trampoline, sites")
	fs.Var((*positive)(&f.stringLimit), "string", "capture at most `N` bytes of a string")
	f.depth = -1
	fs.Var((*natural)(&f.depth), "depth", "follow at most `N` pointers inside a value")
	fs.StringVar(&f.prototypes, "prototypes", "", "take the types of functions from the C declarations in `FILE`")
	fs.BoolVar(&f.unsafe, "unsafe", false, "arm also what may end the observed program")
}

// stacked is the flag of verbs that show each call.
func (f *flags) stacked(fs *pflag.FlagSet) {
	fs.BoolVar(&f.stack, "stack", false, "show the user stack of each call")
}

// conditional is the flag of verbs with a predicate.
func (f *flags) conditional(fs *pflag.FlagSet) {
	fs.StringVar(&f.condition, "if", "", "keep calls for which `EXPR` holds: 'size > 4096', 'retval < 0', 'duration > 10ms'")
	fs.Var((*positive)(&f.sample), "sample", "keep one call in `N`, by chance")
}

// grouping are the flags of verbs that gather under keys.
func (f *flags) grouping(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.by, "by", nil, "split by `EXPR`: comm, pid, ustack, a parameter's name, or several: 'comm, node'")
	fs.BoolVar(&f.live, "live", false, "show the table while it grows")
}

// between are the flags that measure from one point to another.
func (f *flags) between(fs *pflag.FlagSet) {
	fs.StringVar(&f.from, "from", "", "measure from `PROBE` on, thread by thread")
	fs.StringVar(&f.to, "to", "", "to `PROBE`")
}

// complete offers the values of flags that have few.
func (f *flags) complete(c *cobra.Command) {
	offer := func(flag string, values ...string) {
		if c.Flags().Lookup(flag) == nil {
			return
		}
		err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		if err != nil {
			panic(err) // the flag is there
		}
	}
	offer("engine", "auto", "kernel", "user", "user,kernel", "hybrid", "tracefs")
	offer("return", "auto", "trampoline", "sites")
	offer("if")
	offer("by", nameList(script.Builtins())...)
	offer("duration", "5s", "1m")
	for _, flag := range []string{"comm", "max-events", "string", "depth", "sample"} {
		offer(flag)
	}
}

// nameList are names with their help, as completion shows them.
func nameList(list []script.Name) []string {
	var out []string
	for _, n := range list {
		out = append(out, cobra.CompletionWithDesc(n.Name, n.Help))
	}
	return out
}
