package scaffold

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the lists anew")

// A project must name the modules that it needs in the versions that sonde was built with: those are in the module cache.
func TestTheModulesOfProjectsAreThoseOfThisModule(t *testing.T) {
	var want strings.Builder
	for _, of := range [][]string{{"library", "github.com/sonde-project/sonde"}, {"ebpf", "github.com/cilium/ebpf/ringbuf", "github.com/cilium/ebpf/link"}} {
		list := exec.Command("go", append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"}, of[1:]...)...)
		list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(strings.ReplaceAll(string(out), " ", "\x00"))
		slices.Sort(lines)
		for _, line := range slices.Compact(lines) {
			want.WriteString(of[0] + " " + strings.ReplaceAll(line, "\x00", " ") + "\n")
		}
	}
	same(t, "templates/modules.txt", []byte(want.String()))
}

func TestTheSumsOfProjectsAreThoseOfThisModule(t *testing.T) {
	want, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "templates/go.sum", want)
}

func same(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is behind go.mod: go test ./internal/scaffold -update\n%s\nwant\n%s", name, got, want)
	}
}

// Objects are compiled by hand; who changes the C must not forget it.
func TestTheCompiledProgramsAreThoseOfTheSources(t *testing.T) {
	check := exec.Command("sha256sum", "--check", "--quiet", "sums")
	check.Dir = "bpf"
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("run internal/scaffold/bpf/build: %v\n%s", err, out)
	}
}
