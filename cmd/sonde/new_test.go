package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// made is a project that `sonde new` writes, and what its program must print of the command.
type made struct {
	name     string
	target   string
	function string
	do       string
	by       string
	command  []string
	library  string // part of what the program of the template library prints; "" not made
	ebpf     string // of the template ebpf
}

func projects(t *testing.T) []made {
	cpp, rust, golang := fixture.Build(t, "scaffold/shop.cc"), fixture.Build(t, "scaffold/shop.rs"), fixture.Build(t, "scaffold/go")
	versions := fixture.Build(t, "scaffold/versions.c")
	getent := []string{"getent", "ahosts", "localhost"}
	cat := []string{"cat", "/dev/null"}
	return []made{
		{"libc-trace", "libc", "getaddrinfo", "trace", "", getent, `"node":"localhost","service":null`, `"node":"localhost","service":null`},
		{"libc-count", "libc", "getaddrinfo", "count", "", getent, "", `"comm":"getent","count":1}`},
		{"libc-time", "libc", "getaddrinfo", "time", "", getent, "", `{"count":1,`},
		{"libc-hist", "libc", "read", "hist", "count", cat, "", `{"from":131072,"to":262144,"count":1}`},
		{"version-old", "libm", "pow@GLIBC_2.2.5", "count", "", []string{versions}, `"count":3}`, `"count":3}`},
		{"version-default", "libm", "pow@@GLIBC_2.29", "count", "", []string{versions}, `"count":5}`, `"count":5}`},
		{"cpp-trace", cpp, "shop::Store::put", "trace", "", []string{cpp}, `"name":"apple","count":9,`, `"name":"apple","count":9,`},
		{"cpp-time", cpp, "shop::Store::put", "time", "", []string{cpp}, `{"count":10,`, ""},
		{"rust-trace", rust, "shop::till::price", "trace", "", []string{rust}, `"name":"pear","count":9,"discount":-3}`, `"name":"pear","count":9,"discount":-3}`},
		{"rust-hist", rust, "shop::till::price", "hist", "discount", []string{rust}, `"to":0,"count":10}`, ""},
		{"rust-unread", rust, "shop::till::label", "trace", "", []string{rust}, `"count":9},"unread":{"name":"optimized out"}`, ""},
		{"go-trace", golang, "main.(*Store).Put", "trace", "", []string{golang}, `"name":"plum","count":9,"cheap":false}`, `"name":"plum","count":9,"cheap":false}`},
		{"go-count", golang, "main.(*Store).Put", "count", "", []string{golang}, `"count":10}`, ""},
	}
}

// Every project is built, vetted and tested as it was written, with no network, and run on its command.
func TestProjectsBuildAndSeeTheCallsOfTheirCommand(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	for _, p := range projects(t) {
		for template, want := range map[string]string{"library": p.library, "ebpf": p.ebpf} {
			if want == "" {
				continue
			}
			t.Run(p.name+"-"+template, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), p.name)
				argv := []string{"new", "--target", p.target, "--function", p.function, "--do", p.do, "--by", p.by, "--template", template, dir, "--"}
				if status := run(append(argv, p.command...), quiet(t)); status != 0 {
					t.Fatalf("status %d", status)
				}
				inside(t, dir, "go", "vet", "./...")
				inside(t, dir, "go", "test", "-count=1", "./...")
				inside(t, dir, "go", "build", "-ldflags=-s -w", "-o", "observer", ".")
				formatted := inside(t, dir, "gofmt", "-l", ".")
				if formatted != "" {
					t.Errorf("gofmt would change %s", formatted)
				}
				got := inside(t, dir, "./observer", append([]string{"--"}, p.command...)...)
				if !strings.Contains(got, want) {
					t.Errorf("no %s in\n%s", want, got)
				}
			})
		}
	}
}

// quiet is a world that nobody reads and that answers nothing.
func quiet(t *testing.T) world {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return world{in: null, out: null, err: null, env: os.Getenv, backend: engines()}
}

// inside runs a command in the project's folder and gives its standard output.
func inside(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "CI=true")
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errors.String())
	}
	return string(out)
}
