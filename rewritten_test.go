package sonde_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A program whose file is written to in place while it is probed (cp over it) does what it does unobserved, though other instructions stand there now
// where the probes were; that it is not observed any more is said, and what it did before is counted.
func TestAProgramThatIsOverwrittenIsLetGoOf(t *testing.T) {
	fixture.NeedRoot(t)
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first, second := read(fixture.Build(t, "c/rewritten.c")), fixture.Build(t, "c/rewritten.c", "-DLONGER")
	want, err := exec.Command(second).Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, first, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineKernel, sonde.EngineTracefs, sonde.EngineTracefs} {
		if err := os.WriteFile(path, first, 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := open(t).Count(t.Context(), path+":step", sonde.WithEngine(engine))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.Stop()
			if out, err := exec.Command(path).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if err := os.WriteFile(path, read(second), 0o755); err != nil {
				t.Error(err)
			}
			if out, err := exec.Command(path).CombinedOutput(); err != nil || string(out) != string(want) {
				t.Errorf("%v: %s, not %s", err, out, want)
			}
		}()
		for range s.Events() {
		}
		<-done
		if err := s.Err(); err != nil || s.Stats().Hits != 1000 || !strings.Contains(strings.Join(s.Notes(), "\n"), path+" was written to during the run") {
			t.Errorf("%s: %v, %d hits; %q", engine, err, s.Stats().Hits, s.Notes())
		}
	}
}
