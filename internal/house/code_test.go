package house

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// longest is the number of lines past which a file outside tests holds more than one idea.
const longest = 500

// longFiles may be longer, for the reason given.
var longFiles = map[string]string{}

// statefulVars are package-level variables that change or are built by a call, for the reason given: "folder.name".
var statefulVars = map[string]string{
	"cmd/sonde.version": "the linker sets it",
}

func TestFilesHoldOneIdea(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > longest && !s.test && longFiles[s.path] == "" && !generated(s.file) {
			t.Errorf("%s has %d lines, more than %d", s.path, s.lines, longest)
		}
	}
}

// generated recognises the line that Go's tools agree on.
func generated(file *ast.File) bool { return ast.IsGenerated(file) }

func TestPackagesHaveNoMutableState(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		vars := s.vars()
		for name, spec := range vars {
			if statefulVars[s.folder+"."+name] == "" && !constant(spec.value) && !spec.embedded && name != "_" {
				t.Errorf("%s: variable %s is state of the package", s.path, name)
			}
		}
		for _, name := range s.assigned(vars) {
			if statefulVars[s.folder+"."+name] == "" {
				t.Errorf("%s: variable %s of the package is assigned", s.path, name)
			}
		}
	}
}

// variable is a package-level var.
type variable struct {
	value    ast.Expr // nil: the zero value
	embedded bool     // filled by go:embed
	object   *ast.Object
}

func (s source) vars() map[string]variable {
	found := map[string]variable{}
	for _, decl := range s.file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			for i, name := range value.Names {
				v := variable{embedded: embeds(group.Doc) || embeds(value.Doc), object: name.Obj}
				if i < len(value.Values) {
					v.value = value.Values[i]
				}
				found[name.Name] = v
			}
		}
	}
	return found
}

func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, line := range doc.List {
		if strings.HasPrefix(line.Text, "//go:embed") {
			return true
		}
	}
	return false
}

// constant recognises what is written once: tables, errors, patterns, functions, and values of other packages' constructors.
// A variable without value, a bare number or text, and make or new are state.
func constant(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit, *ast.FuncLit, *ast.SelectorExpr:
		return true
	case *ast.UnaryExpr:
		return constant(v.X)
	case *ast.CallExpr:
		name, ok := v.Fun.(*ast.Ident)
		return !ok || name.Name != "make" && name.Name != "new"
	}
	return false
}

// assigned names the package-level variables of this file that its functions assign.
func (s source) assigned(vars map[string]variable) []string {
	var names []string
	note := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && id.Obj != nil && vars[id.Name].object == id.Obj {
			names = append(names, id.Name)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				note(e)
			}
		case *ast.IncDecStmt:
			note(n.X)
		}
		return true
	})
	return names
}

// machinePath matches folders of one person's machine at the start of a path. "/proc/PID/root/..." does not match.
var machinePath = regexp.MustCompile(`(?m)(^|[\s"'=(:])/(work|root|home/\w+|Users/\w+)/[\w.]`)

func TestNoFileNamesAPersonsMachine(t *testing.T) {
	for _, path := range tracked(t) {
		text, err := os.ReadFile(filepath.Join(root(t), path))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			continue
		}
		if at := machinePath.FindIndex(text); at != nil {
			t.Errorf("%s:%d: names a machine's own folder", path, 1+bytes.Count(text[:at[1]], []byte("\n")))
		}
	}
}

func TestOnlyTheCommandExits(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				pkg, _ := sel.X.(*ast.Ident)
				if pkg != nil && (pkg.Name == "os" && sel.Sel.Name == "Exit" || pkg.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal")) {
					t.Errorf("%s: %s.%s", s.set.Position(n.Pos()), pkg.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}
