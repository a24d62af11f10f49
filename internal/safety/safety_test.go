package safety

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// limit is how long one run may take: far more than any needs, on a busy machine too.
const limit = 2 * time.Minute

// options splits flags at spaces that begin a new flag, so that "-ldflags=-s -w" stays one.
func options(flags string) []string {
	if first, rest, more := strings.Cut(flags, " "); more && strings.HasPrefix(first, "GO=") {
		return append([]string{first}, options(rest)...)
	}
	for _, whole := range []string{"-ldflags=", "-gcflags="} {
		if strings.HasPrefix(flags, whole) {
			return []string{flags}
		}
	}
	return strings.Fields(flags)
}

var command = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sonde-safety-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sonde")
	out, err := exec.Command("go", "build", "-o", path, "github.com/sonde-project/sonde/cmd/sonde").CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := command(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

func sonde(t *testing.T) Sonde {
	t.Helper()
	fixture.NeedRoot(t)
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	return Sonde{Path: path, Dir: t.TempDir(), Limit: limit}
}

// A program of which every function is probed prints what it prints alone and ends as it ends alone, and sonde counts
// what the program counts.
func TestProgramsDoNotNotice(t *testing.T) {
	for _, p := range programs {
		if !p.long {
			t.Run(p.name, func(t *testing.T) { p.unnoticed(t, "") })
		}
	}
}

// So it is when the program's own functions are probed from inside.
func TestProgramsDoNotNoticeJumps(t *testing.T) {
	for _, p := range programs {
		if !p.long && p.shared == "" {
			t.Run(p.name, func(t *testing.T) { p.unnoticed(t, "user") })
		}
	}
}

// So it is when every call passes a predicate inside and traps behind it.
func TestProgramsDoNotNoticeTrapsBehindJumps(t *testing.T) {
	for _, p := range programs {
		if !p.long && p.shared == "" {
			t.Run(p.name, func(t *testing.T) { p.unnoticed(t, "hybrid", "--if", "rand % 1 == 0") })
		}
	}
}

// A signal handler may fork wherever it interrupts a program, in what sonde adds as well: parent and child go on.
func TestChildrenThatASignalHandlerForksDoNotNotice(t *testing.T) {
	argv := []string{fixture.Build(t, "safety/c/handlers.c"), "500"}
	alone, err := Run(argv, limit)
	if err != nil {
		t.Fatal(err)
	}
	for engine, flags := range map[string][]string{
		"kernel": nil, "user": nil, "hybrid": {"--if", "rand % 100 == 0"},
	} {
		s := sonde(t)
		s.Engine = engine
		for _, verb := range []string{"count", "time", "trace"} {
			seen, err := s.Observe(verb, append([]string{argv[0] + ":mix"}, flags...), argv)
			if err != nil {
				t.Fatalf("%s: %v\n%s", verb, err, tail(seen.Stderr))
			}
			if wrong := Differences(alone, seen); len(wrong) > 0 {
				t.Errorf("%s, %s: %s\n%s", engine, verb, strings.Join(wrong, "\n  "), tail(seen.Stderr))
			}
		}
	}
}

// unnoticed runs the program alone and under each verb.
func (p program) unnoticed(t *testing.T, engine string, flags ...string) {
	s := sonde(t)
	s.Engine = engine
	argv := p.build(t)
	alone, err := Run(argv, limit)
	if err != nil {
		t.Fatal(err)
	}
	own := Calls(alone.Stdout)
	if p.uncounted {
		own = nil
	}
	if engine != "" && p.inside == "-" {
		own = nil
	}
	if engine == "user" { // the hybrid engine leaves them to the kernel
		for _, name := range strings.Fields(p.inside) {
			delete(own, name)
		}
	}
	for _, verb := range []string{"count", "trace", "time"} {
		seen, err := s.Observe(verb, append(p.probed(argv), flags...), argv)
		if err != nil {
			t.Fatalf("%s: %v\n%s", verb, err, tail(seen.Stderr))
		}
		if engine != "" && p.inside == "*" {
			if seen.Sonde == 0 || !strings.Contains(seen.Stderr, "[not-offered]") {
				t.Errorf("%s: not refused\n%s", verb, tail(seen.Stderr))
			}
			continue
		}
		wrong := append(Differences(alone, seen), Miscounts(own, seen, verb != "count")...)
		if len(wrong) > 0 {
			t.Errorf("%s of every function: %s\n%s", verb, strings.Join(wrong, "\n  "), tail(seen.Stderr))
		}
	}
}
