package symbol

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// Functions gives every function of the object, sorted by address, one for each address. The slice is built once
// and shared: do not change it.
func (f *File) Functions() []Function {
	f.functionsOnce.Do(func() {
		f.functions = f.merge(f.entries())
		f.names = newNames(len(f.functions))
		f.reach = make([]Addr, len(f.functions))
		for i := range f.functions {
			if f.reach[i] = f.end(i); i > 0 {
				f.reach[i] = max(f.reach[i], f.reach[i-1])
			}
		}
	})
	return f.functions
}

// Problems says which symbol tables could not be read, and why; what could be read is in Functions.
func (f *File) Problems() []error {
	f.Functions()
	return f.problems
}

// entries gathers the names of all tables, best first.
func (f *File) entries() []entry {
	all := f.tables(f.image, fromSymtab, fromDynsym)
	if len(f.image.Sections) == 0 {
		all = f.bareSymbols()
	}
	if f.image.section(".symtab") == nil {
		if d := f.separate(); d != nil {
			all = append(all, f.tables(d.image, fromDebugFile, "")...)
		}
		if f.image.section(".gnu_debugdata") != nil {
			all = append(all, f.miniDebug()...)
		}
		all = append(all, f.goFunctions()...)
	}
	return all
}

// tables reads .symtab and .dynsym of one ELF file. A table without a source name is left out.
func (f *File) tables(m *image, static, dynamic string) []entry {
	var all []entry
	for _, table := range []struct{ name, source string }{{".symtab", static}, {".dynsym", dynamic}} {
		s := m.section(table.name)
		if s == nil || table.source == "" {
			continue
		}
		entries, err := m.symbols(s, table.source)
		if err != nil {
			f.problems = append(f.problems, err)
			continue
		}
		all = append(all, entries...)
	}
	return all
}

// merge makes one Function of all names that share an address.
func (f *File) merge(all []entry) []Function {
	// Only what the object itself can execute counts, whatever a debug file says.
	all = slices.DeleteFunc(all, func(e entry) bool { return !f.image.executable(e.addr) || f.marker(e) })
	slices.SortFunc(all, func(a, b entry) int {
		if c := cmp.Compare(a.addr, b.addr); c != 0 {
			return c
		}
		return better(&a, &b)
	})
	functions := make([]Function, 0, len(all))
	var covered uint64 // end of what a declared function covers
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].addr == all[0].addr {
			n++
		}
		same := all[:n]
		all = all[n:]
		if same[0].label && same[0].addr < covered {
			continue
		}
		fn := one(same)
		fn.Lang = f.languageOf(&fn)
		if end := uint64(fn.Addr) + fn.Size; end > covered && end >= uint64(fn.Addr) {
			covered = end
		}
		functions = append(functions, fn)
	}
	return functions
}

// marker reports names that the Go linker puts at the borders of its sections: they are no functions.
func (f *File) marker(e entry) bool {
	switch e.name {
	case "runtime.text", "runtime.etext", "go:buildid", "go.buildid", "go:textfipsstart", "go:textfipsend":
		return f.isGo()
	}
	return strings.HasPrefix(e.name, "runtime.text.") && f.isGo()
}

// one makes a Function of the names of an address, best first.
func one(same []entry) Function {
	first := same[0]
	fn := Function{
		Addr: Addr(first.addr), Size: first.size, Name: first.name, Version: first.version, OldVersion: first.hidden,
		Local: first.local, IFunc: first.ifunc, Source: first.source, Unit: first.unit,
	}
	if len(same) == 1 {
		return fn
	}
	for i := range same { // the dynamic table knows a version that the static one may leave out
		if e := &same[i]; fn.Version == "" && e.name == fn.Name {
			fn.Version, fn.OldVersion = e.version, e.hidden
		}
	}
	seen := map[string]bool{fn.Name: true}
	if fn.OldVersion {
		seen[fn.Name+"@"+fn.Version] = true
	}
	for _, e := range same {
		if fn.Size == 0 {
			fn.Size = e.size
		}
		fn.IFunc = fn.IFunc || e.ifunc
		if alias := aliasName(e); !seen[alias] {
			seen[alias] = true
			fn.Aliases = append(fn.Aliases, alias)
		}
	}
	return fn
}

// aliasName is how an alias names its version: only when asking for the plain name would give another one.
func aliasName(e entry) string {
	if e.hidden {
		return e.name + "@" + e.version
	}
	return e.name
}

// better orders the names of one address: the one a person would use first.
func better(a, b *entry) int {
	return cmp.Or(
		boolOrder(a.label, b.label),
		boolOrder(a.local, b.local),
		boolOrder(a.hidden, b.hidden),
		cmp.Compare(underscores(a.name), underscores(b.name)),
		boolOrder(a.version == "", b.version == ""),
		cmp.Compare(len(a.name), len(b.name)),
		cmp.Compare(a.name, b.name),
		cmp.Compare(a.version, b.version),
		cmp.Compare(sourceOrder(a.source), sourceOrder(b.source)),
	)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// underscores counts them at the start of a name, and so tells malloc from __libc_malloc. The two of a mangled name count alike.
func underscores(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }

func sourceOrder(source string) int {
	return slices.Index([]string{fromSymtab, fromDynsym, fromDebugFile, fromMiniDebug, fromPclntab}, source)
}

// index gives the last function that starts at or before addr, -1 when there is none.
func (f *File) index(addr Addr) int {
	functions := f.Functions()
	return sort.Search(len(functions), func(i int) bool { return functions[i].Addr > addr }) - 1
}

// nested is how many functions back At looks for one that still covers an address: assemblers put functions into functions.
const nested = 32

// At gives the function that covers addr and how far into it addr is. A function without a size reaches to the next one, or to
// the end of its section.
func (f *File) At(addr Addr) (*Function, uint64, bool) {
	last := f.index(addr)
	for i := last; i >= 0 && i > last-nested && addr < f.reach[i]; i-- {
		fn := &f.functions[i]
		if addr < f.end(i) {
			return fn, uint64(addr - fn.Addr), true
		}
	}
	return nil, 0, false
}

// Enclosing gives the function that covers addr, and where no symbol does, the one that .eh_frame knows there. That one is named
// by its address.
func (f *File) Enclosing(addr Addr) (*Function, uint64, bool) {
	if fn, offset, ok := f.At(addr); ok {
		return fn, offset, true
	}
	frame, ok := f.frameAt(addr)
	if !ok || !f.image.executable(frame.from) {
		return nil, 0, false
	}
	start := Addr(frame.from)
	fn := &Function{Addr: start, Size: frame.to - frame.from, Name: start.String(), Local: true, Source: "eh_frame"}
	fn.Lang = f.languageOf(fn)
	return fn, uint64(addr - start), true
}

// Free counts the bytes from addr on that belong to no function, up to a number.
func (f *File) Free(addr Addr, most int) int {
	if _, _, ok := f.Enclosing(addr); ok {
		return 0
	}
	next := f.NextAfter(addr)
	all := f.frames()
	if i := sort.Search(len(all), func(i int) bool { return all[i].from > uint64(addr) }); i < len(all) {
		next = min(next, Addr(all[i].from))
	}
	return int(min(Addr(most), next-addr))
}

// end is the address after the last byte of function i.
func (f *File) end(i int) Addr {
	fn := &f.functions[i]
	limit := f.codeEnd(fn.Addr)
	if fn.Size > 0 {
		if fn.Size > uint64(limit-fn.Addr) {
			return limit
		}
		return fn.Addr + Addr(fn.Size)
	}
	if i+1 < len(f.functions) && f.functions[i+1].Addr < limit {
		return f.functions[i+1].Addr
	}
	return limit
}
