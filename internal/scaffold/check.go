package scaffold

import (
	"os"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// Codes of what cannot be made.
const (
	BadAnswer script.Code = "bad-answer"   // no such template, nothing of that name to do
	NotEmpty  script.Code = "not-empty"    // the folder holds something
	NotEBPF   script.Code = "not-for-ebpf" // the template ebpf cannot do that safely with this function
	NoSources script.Code = "no-sources"   // where is sonde?
)

func mistake(code script.Code, message string, hints ...string) error {
	return &script.Diagnostic{Code: code, Message: message, Hints: hints}
}

// Templates and Dos are the answers that there are.
func Templates() []string { return []string{string(Library), string(EBPF)} }

// Dos lists what can be done.
func Dos() []string { return []string{string(Count), string(Trace), string(Time), string(Hist)} }

func (p Project) check(dir string) error {
	if !slices.Contains(Templates(), string(p.Template)) {
		return mistake(BadAnswer, "no template "+string(p.Template), "templates: "+strings.Join(Templates(), ", "))
	}
	if !slices.Contains(Dos(), string(p.Do)) {
		return mistake(BadAnswer, "nothing called "+string(p.Do)+" can be done", "one of "+strings.Join(Dos(), ", "))
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return mistake(NotEmpty, dir+" is not empty", "name a folder that does not exist yet")
	} else if err != nil && !os.IsNotExist(err) {
		return err
	}
	if p.Do == Hist {
		if err := p.checkBy(); err != nil {
			return err
		}
	}
	if p.Template == EBPF {
		return p.checkEBPF()
	}
	if p.Version == "" && p.SondeDir == "" {
		return mistake(NoSources, "this build of sonde does not say where its sources are", "--sonde-dir FOLDER names a checkout of sonde")
	}
	return nil
}

// Numeric names the parameters that a histogram can be made of.
func Numeric(f event.Function) []string {
	var names []string
	for _, q := range f.Params {
		if numeric(q) && q.Name != "" {
			names = append(names, q.Name)
		}
	}
	return names
}

func numeric(q event.Parameter) bool {
	switch q.Kind {
	case event.KindInt, event.KindUint, event.KindBool, event.KindChar, event.KindEnum, event.KindFlags:
		return len(q.Registers) == 1
	}
	return false
}

func (p Project) checkBy() error {
	names := Numeric(p.Function)
	if slices.Contains(names, p.By) {
		return nil
	}
	hint := "its numbers: " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "it has none"
		if !p.Function.Typed {
			hint = "its parameters are not known"
		}
	}
	return mistake(script.NoParameter, p.Function.Name+" has no parameter "+p.By+" that is a number", hint)
}

// checkEBPF refuses what the small C programs of the template would do wrong.
func (p Project) checkEBPF() error {
	f := p.Function
	if f.IFunc {
		return mistake(NotEBPF, f.Name+" is chosen among several at run time, so that one address does not count it", "--template library finds them all")
	}
	if p.Do == Time && !returns(f) {
		return mistake(NotEBPF, "the kernel's return probe can end a program of "+languageName(f.Language), "--template library sees returns without touching the stack")
	}
	return nil
}

// returns reports whether the kernel may replace return addresses of the function. Stacks of Go move, and exceptions of C++ and
// panics of Rust unwind: all end the program at a return address that they do not know.
func returns(f event.Function) bool {
	return f.Language == event.LangC || f.Language == event.LangAsm
}

func languageName(l event.Language) string {
	switch l {
	case event.LangCPP:
		return "C++"
	case event.LangRust:
		return "Rust"
	case event.LangGo:
		return "Go"
	}
	return "this language"
}
