package symbol

import (
	"debug/dwarf"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// qualified gives an entry's name with the namespaces and classes around it, as its language writes it: "ns::Box<int>",
// "crab::Shape". Names of C and Go are whole as they stand.
func (e entryAt) qualified(language event.Language) string {
	name := e.text(dwarf.AttrName)
	if language != event.LangCPP && language != event.LangRust || name == "" && e.tag != dwarf.TagNamespace {
		return name
	}
	if language == event.LangRust && !rustPathPart(name) {
		return name // &str, [u8; 4], (i32, f64)
	}
	index := e.unit.indexOf()
	parts := []string{name}
	for i := index.scopeOf(e.at); i >= 0 && len(parts) < maxDepth; i = index.scopes[i].parent {
		around, ok := e.unit.entry(index.scopes[i].start)
		if !ok || around.abbrev == nil {
			break
		}
		parts = append(parts, around.part(language))
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("::")
		}
		b.WriteString(parts[i])
	}
	return b.String()
}

// part is what a scope adds to the names within it.
func (e entryAt) part(language event.Language) string {
	name := ""
	for _, o := range e.origin() {
		if name = o.text(dwarf.AttrName); name != "" {
			break
		}
	}
	switch {
	case name != "":
		return name
	case e.tag == dwarf.TagNamespace && language == event.LangCPP:
		return "(anonymous namespace)"
	case e.tag == dwarf.TagSubprogram:
		return ""
	}
	return "{unnamed}"
}

// rustPathPart reports whether a name takes part in paths. Types that are built into the language do not.
func rustPathPart(name string) bool {
	c := name[0]
	if c == '{' {
		return true // {closure_env#0}
	}
	if !identifier(c) || c >= '0' && c <= '9' || strings.HasPrefix(name, "dyn ") {
		return false
	}
	return !strings.HasPrefix(name, "fn(") && !strings.HasPrefix(name, "unsafe ") && !strings.HasPrefix(name, "extern ")
}

// displayName gives a function's name for frames of a stack, as Display would.
func displayName(chain []entryAt) string {
	language := chain[0].unit.language()
	linkage := inheritedText(chain, dwarf.AttrLinkageName)
	if linkage == "" {
		linkage = inheritedText(chain, attrMIPSLinkageName)
	}
	if linkage != "" && mangled(language) {
		return spell(linkage, languageOfName(linkage)).forms[0]
	}
	last := chain[len(chain)-1]
	for _, e := range chain {
		if e.text(dwarf.AttrName) != "" {
			last = e
			break
		}
	}
	return last.qualified(language)
}

const attrMIPSLinkageName dwarf.Attr = 0x2007
