package symbol

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sonde-project/sonde/event"
)

// names keeps the spellings of an object's functions, made when they are first asked for: demangling a library whole
// takes longer than reading it.
type names struct {
	known []atomic.Pointer[spelling] // by function index
}

func newNames(count int) *names { return &names{known: make([]atomic.Pointer[spelling], count)} }

// spelling gives the forms of function i.
func (f *File) spelling(i int) *spelling {
	if s := f.names.known[i].Load(); s != nil {
		return s
	}
	fn := &f.functions[i]
	s := spell(fn.Name, fn.Lang)
	f.names.known[i].Store(&s)
	return &s
}

// Display gives a function's name as results have it: plain in C, Go and Rust, demangled with parameters in C++.
func (f *File) Display(fn *Function) string {
	if i := f.index(fn.Addr); i >= 0 && f.functions[i].Addr == fn.Addr && f.functions[i].Name == fn.Name && f.functions[i].Lang == fn.Lang {
		return f.spelling(i).forms[0]
	}
	return spell(fn.Name, fn.Lang).forms[0]
}

// Demangled gives a function's name without parameters and return type.
func (f *File) Demangled(fn *Function) string {
	forms := spell(fn.Name, fn.Lang).forms
	if fn.Lang == event.LangCPP && len(forms) > 1 {
		return forms[1]
	}
	return forms[0]
}

// each does something for every function, on all processors.
func (f *File) each(do func(i int)) {
	const chunk = 512
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(f.functions)/chunk+1) {
		group.Go(func() {
			for {
				from := int(next.Add(chunk)) - chunk
				if from >= len(f.functions) {
					return
				}
				for i := from; i < min(from+chunk, len(f.functions)); i++ {
					do(i)
				}
			}
		})
	}
	group.Wait()
}

// Clone reports whether a linkage name is that of a copy or part that a compiler made of a function, and of which:
// "foo", ".constprop.0" for foo.constprop.0. Names of Go, where a dot separates package and function, are no clones.
func (f *File) Clone(fn *Function) (of, suffix string) {
	if fn.Lang == event.LangGo {
		return "", ""
	}
	suffix = cloneSuffix(fn.Name)
	if suffix == "" {
		return "", ""
	}
	return strings.TrimSuffix(fn.Name, suffix), suffix
}

// Clones gives the copies that a compiler made of a function beside it (foo.constprop.0, foo.part.0, not foo.cold). Calls that go to
// them do not pass fn, and an exact name does not mean them.
func (f *File) Clones(fn *Function) []*Function {
	functions := f.Functions()
	var found []*Function
	for i := range functions {
		other := &functions[i]
		if other == fn || !strings.HasPrefix(other.Name, fn.Name) {
			continue
		}
		if of, suffix := f.Clone(other); of == fn.Name && !cold(suffix) && (fn.Unit == "" || fn.Unit == other.Unit) {
			found = append(found, other)
		}
	}
	return found
}

// Cold reports whether fn is the unlikely part of another function, which is jumped into and never called.
func (f *File) Cold(fn *Function) bool {
	_, suffix := f.Clone(fn)
	return cold(suffix)
}

func cold(suffix string) bool {
	return strings.HasPrefix(suffix, ".cold") || strings.Contains(suffix, ".cold.") || strings.HasSuffix(suffix, ".cold")
}
