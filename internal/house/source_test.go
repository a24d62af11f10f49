package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sonde-project/sonde"

// source is one Go file of the module.
type source struct {
	path   string // relative to the root
	folder string // "." for the root
	test   bool
	lines  int
	file   *ast.File
	set    *token.FileSet
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tracked lists the files of the repository, new ones included, relative to the root.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for _, name := range strings.Split(string(out), "\x00") {
		if info, err := os.Lstat(filepath.Join(cmd.Dir, name)); name != "" && err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files
}

// sources parses the module's own Go files. What lies in testdata or belongs to another module is left out, and so are
// the programs that tests observe.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, path := range tracked(t) {
		if filepath.Ext(path) != ".go" || strings.Contains("/"+path, "/testdata/") || strings.HasPrefix(path, "internal/fixture/src/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(t), path))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{path: path, folder: filepath.Dir(path), test: strings.HasSuffix(path, "_test.go"),
			lines: bytes.Count(text, []byte("\n")), file: file, set: set})
	}
	return all
}

// imports gives the paths a file imports.
func (s source) imports(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// ours turns an import path of the module into a folder.
func ours(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}
