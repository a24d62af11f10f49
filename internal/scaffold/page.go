package scaffold

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// page is what the templates are executed with.
type page struct {
	Project
	Name     string // of the program
	Probe    string // TARGET:FUNCTION
	Script   string // Hist: the script of the template library
	Args     []member
	Results  []member
	Modules  []module
	Returns  bool     // EBPF: the return is probed
	ByPlace  register // Hist, EBPF
	Symbol   string   // EBPF: the name in the symbol table
	Language string
}

// member is a field of the generated structure.
type member struct {
	Name    string // of the Go field
	JSON    string
	Type    string // of the Go field
	Comment string // the type as its author wrote it
	From    string // library: the expression; v is the value. ebpf: the expression over e
	At      string // library: how the value is found
	Program string // ebpf: the element of args, "" none
}

// register is where a number is.
type register struct {
	Offset, Bits int
	Signed       bool
}

type module struct{ Path, Version string }

var functions = template.FuncMap{"quote": strconv.Quote, "words": shellWords, "strings": goStrings}

func (p Project) page(dir string) (page, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return page{}, err
	}
	name := filepath.Base(full)
	if p.Module == "" {
		p.Module = moduleName(name)
	}
	g := page{Project: p, Name: name, Symbol: p.Function.Linkage, Language: languageName(p.Function.Language), Returns: p.Template == EBPF && returns(p.Function)}
	if g.Symbol == "" {
		g.Symbol = p.Function.Name
	}
	pt := script.Point{Kind: script.Uprobe, Target: p.Target, Function: p.Function.Name + p.Function.Version}
	full = pt.String()
	g.Probe = strings.TrimPrefix(full, "uprobe:")
	g.Script = full + " { @ = hist(args." + p.By + "); }"
	if g.Modules, err = modules(p.Template); err != nil {
		return page{}, err
	}
	used := map[string]bool{}
	for i, q := range p.Function.Params {
		if m, ok := p.argument(i, len(g.Args), q); ok {
			m.unique(used, fmt.Sprintf("Arg%d", i))
			g.Args = append(g.Args, m)
		}
		if q.Name == p.By && len(q.Registers) == 1 {
			g.ByPlace = register{offsets[q.Registers[0]], int(q.Size) * 8, q.Kind == event.KindInt || q.Kind == event.KindEnum || q.Kind == event.KindChar}
		}
	}
	used = map[string]bool{}
	for i, q := range p.Function.Results {
		if m, ok := p.result(i, q); ok {
			m.unique(used, fmt.Sprintf("R%d", i))
			g.Results = append(g.Results, m)
		}
	}
	return g, nil
}

// moduleName makes a module path of a folder's name.
func moduleName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) && r < 0x80 || unicode.IsDigit(r) || strings.ContainsRune("-_.", r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, name)
	if clean = strings.Trim(clean, "-._"); clean == "" {
		return "probe"
	}
	return clean
}

// unique names the field by its parameter, by its place when that is taken or none.
func (m *member) unique(used map[string]bool, place string) {
	name := exported(m.JSON)
	if name == "" || used[name] {
		name = place
	}
	if m.JSON == "" || strings.HasPrefix(m.JSON, "~") {
		m.JSON = strings.ToLower(place)
	}
	used[name] = true
	m.Name = name
}

// exported makes a Go name: local_port is LocalPort.
func exported(name string) string {
	var b strings.Builder
	up := true
	for _, r := range name {
		switch {
		case r == '_' || r > 0x7f || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	text := b.String()
	if text == "" || unicode.IsDigit(rune(text[0])) || strings.HasPrefix(name, "~") {
		return ""
	}
	return text
}

// shellWords quotes a command for a shell in a Makefile.
func shellWords(argv []string) string {
	var words []string
	for _, w := range argv {
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%") != "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, strings.ReplaceAll(w, "$", "$$"))
	}
	return strings.Join(words, " ")
}

// goStrings lists strings as Go has them.
func goStrings(list []string) string {
	var quoted []string
	for _, s := range list {
		quoted = append(quoted, strconv.Quote(s))
	}
	return strings.Join(quoted, ", ")
}

// modules are the modules that a project of the template needs, from the list that a test keeps true.
func modules(t Template) ([]module, error) {
	text, err := templates.ReadFile("templates/modules.txt")
	if err != nil {
		return nil, err
	}
	var list []module
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == string(t) {
			list = append(list, module{words[1], words[2]})
		}
	}
	return list, nil
}
