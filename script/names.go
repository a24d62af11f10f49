package script

import (
	"slices"
	"strings"
)

// Name is a word of the language with what help and completion show.
type Name struct {
	Name  string
	Usage string // "hist(x[, bits])"; the name itself for a builtin
	Help  string // one line
	// Min and Max bound the number of arguments of a function; Max is -1 for any number.
	Min, Max int
}

// Builtins lists the values that every hit has, in the order in which help shows them.
func Builtins() []Name {
	return []Name{
		value("pid", "process ID"),
		value("tid", "thread ID"),
		value("uid", "user ID"),
		value("gid", "group ID"),
		value("comm", "name of the thread, at most 15 bytes"),
		value("cgroup", "ID of the control group"),
		value("cpu", "number of the processor"),
		value("func", "the probed function"),
		value("probe", "the probe as it was written, a pattern with the function that was hit"),
		value("arg0", "first argument as a number; arg1, arg2, ... the others"),
		value("args", "the arguments by name: args.size"),
		value("retval", "what the function returned (uretprobe)"),
		value("duration", "nanoseconds from entry to return (uretprobe)"),
		value("depth", "how many probed calls this one is nested in (uretprobe)"),
		value("goid", "goroutine ID (Go)"),
		value("ustack", "user stack"),
		value("nsecs", "nanoseconds of the monotonic clock"),
		value("elapsed", "nanoseconds since the run began"),
		value("sp", "stack pointer at the entry"),
		value("pc", "address of the probed instruction"),
		value("rand", "a random number of 32 bits"),
	}
}

// Functions lists what can be called, in the order in which help shows it.
func Functions() []Name {
	return []Name{
		function("call([ustack])", 0, 1, "emit the call as one event: typed arguments, result, duration"),
		function("printf(format, ...)", 1, -1, "print, as C does"),
		function("print(x[, top[, div]])", 1, 3, "print a map or a value"),
		function("time([format])", 0, 1, "print the wall-clock time, by default \"%H:%M:%S\\n\""),
		function("exit([status])", 0, 1, "end the run"),
		function("count()", 0, 0, "count hits"),
		function("sum(x)", 1, 1, "sum of x"),
		function("avg(x)", 1, 1, "average of x"),
		function("min(x)", 1, 1, "smallest x"),
		function("max(x)", 1, 1, "largest x"),
		function("stats(x)", 1, 1, "count, average and sum of x"),
		function("hist(x[, bits])", 1, 2, "histogram of x, powers of two"),
		function("lhist(x, min, max, step)", 4, 4, "histogram of x, linear"),
		function("quantiles(x)", 1, 1, "count, sum, smallest, largest and percentiles of x"),
		function("clear(@map)", 1, 1, "empty a map"),
		function("zero(@map)", 1, 1, "set all values of a map to 0"),
		function("delete(@map[key])", 1, 2, "remove an entry of a map"),
		function("has_key(@map, key)", 2, 2, "1 when the map has the key"),
		function("str(address[, length])", 1, 2, "text in the memory of the process"),
		function("buf(address[, length])", 1, 2, "bytes in the memory of the process"),
		function("strncmp(a, b, n)", 3, 3, "0 when the first n bytes of two strings are equal"),
		function("strftime(format, nsecs)", 2, 2, "a time of nsecs as the wall clock had it"),
		function("strerror(number)", 1, 1, "what a number of errno means"),
		function("ntop([family, ]address)", 1, 2, "an IPv4 or IPv6 address as text"),
		function("usym(address)", 1, 1, "name of the code at an address"),
		function("ustack([mode][, frames])", 0, 2, "user stack, with at most so many frames"),
		function("reg(name)", 1, 1, "a register: reg(\"di\")"),
		function("sizeof(type or expression)", 1, 1, "size in bytes"),
	}
}

// ProbeTypes lists what a probe point can begin with.
func ProbeTypes() []Name {
	return []Name{
		{Name: "uprobe", Usage: "uprobe:TARGET:FUNCTION", Help: "entry of a function, an instruction, or a source line; short u"},
		{Name: "uretprobe", Usage: "uretprobe:TARGET:FUNCTION", Help: "return of a function; short ur"},
		{Name: "usdt", Usage: "usdt:TARGET:PROVIDER:NAME", Help: "static probe of a program; short U"},
		{Name: "BEGIN", Usage: "BEGIN", Help: "once, before the first hit"},
		{Name: "END", Usage: "END", Help: "once, after the last hit"},
		{Name: "interval", Usage: "interval:s:1", Help: "every so often: s, ms, us, hz; short i"},
		{Name: "profile", Usage: "profile:hz:99", Help: "on every processor every so often; short p"},
	}
}

// elsewhere are names that bpftrace has for the kernel, for other programs' sake or for effects beyond observing.
var elsewhere = [...]string{"bswap", "cat", "cgroupid", "cgroup_path", "ctx", "curtask", "jiffies", "kaddr",
	"join", "kptr", "kstack", "len", "numaid", "username", "ksym", "macaddr", "offsetof", "override", "path", "percpu_kaddr", "pton", "ppid", "sarg0", "signal",
	"skboutput", "strcontains", "system", "tseries", "uaddr", "unwatch", "uptr", "usermode"}

func value(name, help string) Name { return Name{Name: name, Usage: name, Help: help} }

func function(usage string, least, most int, help string) Name {
	name, _, _ := strings.Cut(usage, "(")
	return Name{Name: name, Usage: usage, Help: help, Min: least, Max: most}
}

// IsBuiltin reports whether name is a builtin value; arg7 counts as one.
func IsBuiltin(name string) bool {
	if number, ok := strings.CutPrefix(name, "arg"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return true
	}
	_, ok := findName(Builtins(), name)
	return ok
}

// IsFunction reports whether name can be called.
func IsFunction(name string) bool {
	_, ok := findName(Functions(), name)
	return ok
}

func findName(list []Name, name string) (Name, bool) {
	for _, n := range list {
		if n.Name == name {
			return n, true
		}
	}
	return Name{}, false
}

func names(list []Name) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.Name
	}
	return out
}

// UnknownIdent is the diagnosis of a bare name that means nothing; text is what its span points into, others are
// names known here beside the builtins: the parameters of the probed function.
func UnknownIdent(id *Ident, text string, others ...string) *Diagnostic {
	d := &Diagnostic{Code: UnknownName, Text: text, Span: id.Span}
	d.Message = "unknown builtin " + quote(id.Name)
	d.Hints = nearHint(id.Name, append(others, names(Builtins())...))
	switch {
	case IsBuiltin(id.Name):
		d.Code, d.Message, d.Hints = Unsupported, quote(id.Name)+" has no value here", nil
	case slices.Contains(elsewhere[:], id.Name):
		d.Code, d.Message = Unsupported, quote(id.Name)+" of bpftrace is not available"
	case IsFunction(id.Name):
		fn, _ := findName(Functions(), id.Name)
		d.Hints = []string{quote(id.Name) + " is a function: " + fn.Usage}
	case len(d.Hints) == 0 && len(others) == 0:
		d.Hints = []string{"a parameter is args." + id.Name + ", a variable $" + id.Name + ", a map @" + id.Name}
	}
	return d
}

// nearHint is the hint that offers names like the one that was written; nil when there are none.
func nearHint(name string, among []string) []string {
	near := Near(name, among, 3)
	if len(near) == 0 {
		return nil
	}
	return []string{"near names: " + strings.Join(near, ", ")}
}
