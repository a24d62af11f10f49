package symbol

import (
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// Find gives the functions that a pattern means, by address: all overloads and all statics of a name. None is no error; Near then
// has something to offer. The error is a *script.Diagnostic about the pattern.
func (f *File) Find(p Pattern) ([]*Function, error) {
	f.Functions()
	if p.couldBeName() {
		if found := f.matching(exactMatcher(p.Text), f.exactly(p.Text)); len(found) > 0 || !strings.ContainsAny(p.Text, globCharacters) {
			return found, nil
		}
	}
	m, err := p.matcher()
	if err != nil {
		return nil, err
	}
	return f.matching(m, m.match), nil
}

// couldBeName reports whether the text is worth trying as a name before it is taken for a glob: operator* is one, and so is
// main.(*Store).Put.
func (p Pattern) couldBeName() bool {
	return !p.Regexp && (!strings.ContainsAny(p.Text, globCharacters) || len(verbatim(p.Text)) > 0 || strings.Contains(p.Text, "operator"))
}

// exactly compares linkage names, with the version where the text names one.
func (f *File) exactly(text string) func(name string) bool {
	plain, version, _ := splitVersion(text)
	if version == "" {
		return func(name string) bool { return name == text }
	}
	old := plain + "@" + version
	return func(name string) bool { return name == text || name == old }
}

// matching gives the functions one of whose linkage names or forms matches.
func (f *File) matching(m matcher, linkage func(name string) bool) []*Function {
	hit := make([]bool, len(f.functions))
	f.each(func(i int) {
		fn := &f.functions[i]
		if !m.cold && f.Cold(fn) {
			return
		}
		hit[i] = linkage(fn.Name) || fn.Version != "" && linkage(versioned(fn)) || slices.ContainsFunc(fn.Aliases, linkage) ||
			f.spelled(i, m) || slices.ContainsFunc(fn.Aliases, func(alias string) bool { return m.spelledAs(alias) })
	})
	var found []*Function
	for i, yes := range hit {
		if yes {
			found = append(found, &f.functions[i])
		}
	}
	return found
}

func versioned(fn *Function) string { return fn.Name + fn.VersionSuffix() }

// VersionSuffix is what a linker writes behind the function's name: "@V", "@@V" for the version that the plain name means, "" none.
func (fn *Function) VersionSuffix() string {
	switch {
	case fn.Version == "":
		return ""
	case fn.OldVersion:
		return "@" + fn.Version
	}
	return "@@" + fn.Version
}

// spelled reports whether a form of function i matches, and demangles only where that could be.
func (f *File) spelled(i int, m matcher) bool {
	fn := &f.functions[i]
	if f.names.known[i].Load() == nil && mangled(fn.Lang) && !m.possible(fn.Name) {
		return false
	}
	return slices.ContainsFunc(f.spelling(i).forms, m.match)
}

// spelledAs judges an alias, whose forms are not kept.
func (m matcher) spelledAs(alias string) bool {
	alias, _, _ = splitVersion(alias)
	language := languageOfName(alias)
	return mangled(language) && m.possible(alias) && slices.ContainsFunc(spell(alias, language).forms, m.match)
}

func (m matcher) possible(name string) bool {
	for _, text := range m.needs {
		if !strings.Contains(name, text) {
			return false
		}
	}
	return true
}

func mangled(l event.Language) bool { return l == event.LangCPP || l == event.LangRust }
