package symbol

import (
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/sonde-project/sonde/event"
)

// spelling is how people may write one function's name. The first of Forms is the one to show.
type spelling struct {
	forms []string
}

// maxMangled bounds what the demangler is given, because it recurses and its time grows with the square; maxDemangled (a power of two) what it may write, because
// back references grow without bound.
const (
	maxMangled   = 4 << 10
	maxDemangled = 14
)

// spell gives the forms of a linkage name.
func spell(name string, language event.Language) spelling {
	switch language {
	case event.LangGo:
		return spelling{goForms(name)}
	case event.LangRust:
		return spelling{rustForms(name)}
	case event.LangCPP:
		return spelling{cppForms(name)}
	}
	return spelling{[]string{name}}
}

// cppForms: with parameters, without them, and without template arguments. The return type, which only templates have in their
// mangled names, is left out.
func cppForms(name string) []string {
	full, plain := demangleCPP(name)
	if full == "" {
		return []string{name}
	}
	forms := []string{full}
	if plain != full {
		forms = append(forms, plain)
	}
	if bare := withoutTags(withoutAngles(plain)); bare != plain {
		forms = append(forms, bare)
	}
	return forms
}

// demangleCPP gives a C++ name with and without its parameters, "" when it is not one. A panic of the demangler (it has some for
// what its author held to be impossible) makes the name one that cannot be demangled.
func demangleCPP(name string) (full, plain string) {
	defer func() {
		if recover() != nil {
			full, plain = "", ""
		}
	}()
	if len(name) > maxMangled {
		return "", ""
	}
	tree, err := demangle.ToAST(name, demangle.NoRust)
	if err != nil {
		return "", ""
	}
	bare := nameOf(tree)
	limit := demangle.MaxLength(maxDemangled)
	return demangle.ASTToString(tree, limit), demangle.ASTToString(bare, limit)
}

// nameOf gives the part of a tree that names the function, and takes the return type out of the tree.
func nameOf(tree demangle.AST) demangle.AST {
	switch t := tree.(type) {
	case *demangle.Clone:
		return nameOf(t.Base)
	case *demangle.EnableIf:
		return nameOf(t.Type)
	case *demangle.Constraint:
		return nameOf(t.Name)
	case *demangle.Typed:
		dropReturn(t.Type)
		return t.Name
	}
	return tree
}

func dropReturn(tree demangle.AST) {
	switch t := tree.(type) {
	case *demangle.FunctionType:
		t.Return = nil
	case *demangle.MethodWithQualifiers:
		dropReturn(t.Method)
	}
}

// rustForms: the demangled path without hash, and the same as a person would write it (crab::Pair::swap for
// <crab::Pair<i32>>::swap).
func rustForms(name string) []string {
	full := demangleRust(name)
	if full == "" {
		return []string{name}
	}
	forms := []string{full}
	if plain := withoutTurbofish(unwrapImpl(full)); plain != full {
		forms = append(forms, plain)
	}
	return forms
}

func demangleRust(name string) (full string) {
	defer func() {
		if recover() != nil {
			full = ""
		}
	}()
	if len(name) > maxMangled {
		return ""
	}
	full, err := demangle.ToString(name, demangle.MaxLength(maxDemangled))
	if err != nil {
		return ""
	}
	if suffix := cloneSuffix(name); suffix != "" && !strings.HasPrefix(suffix, ".llvm.") {
		full += " [clone " + suffix + "]"
	}
	return full
}

// unwrapImpl writes <T>::f as T::f; <T as Trait>::f stays, for it names something else than T::f.
func unwrapImpl(name string) string {
	if !strings.HasPrefix(name, "<") {
		return name
	}
	end := closing(name, 0)
	if end < 0 || strings.Contains(name[:end], " as ") || strings.HasPrefix(name, "<impl ") {
		return name
	}
	return name[1:end] + name[end+1:]
}

// goForms: as the linker has it, without type arguments, and without all but the last part of the package path.
func goForms(name string) []string {
	forms := []string{name}
	add := func(form string) {
		if form != forms[len(forms)-1] && form != name {
			forms = append(forms, form)
		}
	}
	bare := name
	if !strings.HasPrefix(name, "type:") && !strings.HasPrefix(name, "type.") {
		bare = strings.TrimSuffix(withoutBrackets(name), ".abi0")
	}
	bare = strings.ReplaceAll(bare, "%2e", ".")
	add(bare)
	add(bare[strings.LastIndexByte(bare, '/')+1:])
	return forms
}

// withoutBrackets drops [type arguments].
func withoutBrackets(name string) string {
	return withoutGroups(name, '[', ']')
}

// withoutAngles drops <template arguments>, but neither operators nor a leading <T as Trait>.
func withoutAngles(name string) string {
	if strings.HasPrefix(name, "<") {
		if end := closing(name, 0); end > 0 {
			return name[:end+1] + withoutAngles(name[end+1:])
		}
		return name
	}
	if at := operatorAt(name); at >= 0 {
		rest := strings.TrimLeft(name[at+len("operator"):], "<>=-|&^!+*/%~, ")
		symbol := name[at : len(name)-len(rest)]
		if tail, isArgs := strings.CutSuffix(symbol, " <"); isArgs {
			return withoutAngles(name[:at]) + tail
		}
		return withoutAngles(name[:at]) + symbol + withoutAngles(rest)
	}
	return withoutGroups(name, '<', '>')
}

// withoutTurbofish drops Rust's ::<arguments> as well.
func withoutTurbofish(name string) string {
	bare := strings.ReplaceAll(withoutAngles(name), "::::", "::")
	return strings.TrimSuffix(strings.ReplaceAll(bare, ":: [clone", " [clone"), "::")
}

// operatorAt finds a C++ operator whose symbol could be taken for brackets.
func operatorAt(name string) int {
	for from := 0; ; {
		at := strings.Index(name[from:], "operator")
		if at < 0 {
			return -1
		}
		at += from
		from = at + len("operator")
		if (at == 0 || !identifier(name[at-1])) && from < len(name) && !identifier(name[from]) {
			return at
		}
	}
}

func withoutTags(name string) string {
	if !strings.Contains(name, "[abi:") {
		return name
	}
	return withoutBrackets(name)
}

// withoutGroups drops everything between balanced brackets, the brackets included. Unbalanced names stay as they are.
func withoutGroups(name string, open, shut byte) string {
	if strings.IndexByte(name, open) < 0 {
		return name
	}
	var out strings.Builder
	depth := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == open:
			depth++
		case c == shut && depth > 0 && name[i-1] != '-' && name[i-1] != '=':
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	if depth != 0 {
		return name
	}
	return out.String()
}

// closing finds the bracket that closes the one at from, -1 when there is none.
func closing(name string, from int) int {
	depth := 0
	for i := from; i < len(name); i++ {
		switch name[i] {
		case '<':
			depth++
		case '>':
			if i > 0 && name[i-1] == '-' { // fn() -> T
				continue
			}
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// cloneSuffix gives what a compiler appended to the name of a copy or part of a function: ".cold", ".constprop.0", "" for none.
// Dots inside Rust's legacy names come before the final E.
func cloneSuffix(name string) string {
	from := 0
	if strings.HasPrefix(name, "_ZN") {
		from = strings.LastIndex(name, "E.")
		if from < 0 {
			return ""
		}
	}
	dot := strings.IndexByte(name[from:], '.')
	if dot <= 0 {
		return ""
	}
	return name[from+dot:]
}

func identifier(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
