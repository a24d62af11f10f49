// Package scaffold writes projects: a Go module that observes one function and is its owner's to change.
//
// In: answers (which function, what to do with its calls, which template) and the function's description. Out: files on disk that
// build, pass go vet and their own test at once, offline, from the module cache that built sonde. Invariant: nothing is written before
// everything is known to be right, and never over what is there. It must not attach: the project does.
package scaffold

import (
	"embed"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/sonde-project/sonde/event"
)

// Template is what a project stands on.
type Template string

const (
	Library Template = "library" // package sonde, no C
	EBPF    Template = "ebpf"    // its own C, bpf2go and cilium/ebpf
)

// Do is what a project does with the calls of its function.
type Do string

const (
	Count Do = "count" // by process
	Trace Do = "trace" // one object per call
	Time  Do = "time"  // the distribution of durations
	Hist  Do = "hist"  // the distribution of an argument
)

// Project is what is asked.
type Project struct {
	Template Template
	Do       Do
	Target   string         // as the probe names it: a library's name or an absolute path
	Function event.Function // the answer to Target.Describe
	By       string         // Hist: the parameter
	Module   string         // "" the folder's name
	Command  []string       // what calls the function, for the project's test and make run; may be empty
	// Version is the published version of sonde that Library requires; "" requires the sources in SondeDir.
	Version  string
	SondeDir string
}

//go:embed templates
var templates embed.FS

// objects are the compiled programs of EBPF and their sources, made by bpf/build.
//
//go:embed bpf/*.c bpf/*.h bpf/*/*.o bpf/*/*.txt
var objects embed.FS

// Write makes the project in a folder that is new or empty, and names its files. Errors that a person can mend are
// *script.Diagnostic.
func Write(dir string, p Project) ([]string, error) {
	if err := p.check(dir); err != nil {
		return nil, err
	}
	files, err := p.files(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.name)), 0o755); err != nil {
			return names, err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), f.text, 0o644); err != nil {
			return names, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

type file struct {
	name string
	text []byte
}

// files gives everything that is to be written.
func (p Project) files(dir string) ([]file, error) {
	page, err := p.page(dir)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, folder := range []string{"templates/common", "templates/" + string(p.Template)} {
		more, err := page.render(folder)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	sums, err := templates.ReadFile("templates/go.sum")
	if err != nil {
		return nil, err
	}
	files = append(files, file{"go.sum", sums})
	if p.Template == EBPF {
		more, err := p.programs()
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// render executes the templates of a folder.
func (p page) render(folder string) ([]file, error) {
	entries, err := templates.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		t, err := template.New(e.Name()).Funcs(functions).ParseFS(templates, folder+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		if err := t.Execute(&text, p); err != nil {
			return nil, err
		}
		f := file{strings.TrimSuffix(e.Name(), ".tmpl"), []byte(text.String())}
		if strings.HasSuffix(f.name, ".go") {
			if f.text, err = format.Source(f.text); err != nil {
				return nil, err
			}
		}
		if f.name == "gitignore" {
			f.name = ".gitignore"
		}
		files = append(files, f)
	}
	return files, nil
}

// programs are the C sources and what they were compiled to.
func (p Project) programs() ([]file, error) {
	// The C lies in a folder of its own: go build refuses C beside Go that does not use cgo.
	from := map[string]string{
		"bpf/probe.h": "bpf/probe.h", "bpf/probe.bpf.c": "bpf/" + string(p.Do) + ".bpf.c",
		"probe_x86_bpfel.go": "bpf/" + string(p.Do) + "/probe_x86_bpfel.go.txt", "probe_x86_bpfel.o": "bpf/" + string(p.Do) + "/probe_x86_bpfel.o",
	}
	var files []file
	for name, source := range from {
		text, err := fs.ReadFile(objects, source)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, text})
	}
	return files, nil
}
