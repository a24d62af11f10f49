package sonde_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A library that a running process loads has its probes before any of its code runs, as often as it is loaded, closed and loaded again.
func TestLibrariesThatAreLoadedLaterAreCountedFromInside(t *testing.T) {
	for name, c := range map[string]struct {
		early  int
		words  []string
		engine sonde.Engine
	}{"one thread": {3, nil, sonde.EngineUser}, "threads": {0, []string{"5"}, sonde.EngineUser}, "hybrid": {3, nil, sonde.EngineHybrid}} {
		t.Run(name, func(t *testing.T) {
			if c.engine == sonde.EngineHybrid {
				fixture.NeedRoot(t)
			}
			t.Setenv("STEP_EARLY", fmt.Sprint(c.early))
			library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
			a := answers(t, append([]string{fixture.Build(t, "command/loads.c", "-ldl", "-pthread"), library}, c.words...)...)
			target, err := sonde.Open(sonde.PID(a.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			before := a.ask("2 5")
			for range 3 {
				session, err := target.Count(t.Context(), library+":step", sonde.WithEngine(c.engine))
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					a.ask("20 10")
				}
				now := a.ask("1 1")
				if err := session.Close(); err != nil {
					t.Fatal(err)
				}
				if hits := session.Stats().Hits; starved(t, session) {
					t.Logf("%d calls counted, the program made %d, which is said", hits, now-before)
				} else if hits != now-before {
					t.Errorf("%d calls counted, the program made %d", hits, now-before)
				}
				before = now
			}
			if got := a.ask("3 10"); got <= before {
				t.Errorf("%d calls", got)
			}
			a.end()
		})
	}
}

// The same in what a command executes and forks.
func TestLibrariesThatACommandLoadsAreCountedFromInside(t *testing.T) {
	t.Run("user", func(t *testing.T) { commandLoads(t, sonde.EngineUser) })
	t.Run("hybrid", func(t *testing.T) {
		fixture.NeedRoot(t)
		commandLoads(t, sonde.EngineHybrid)
	})
}

func commandLoads(t *testing.T, engine sonde.Engine) {
	t.Setenv("STEP_EARLY", "3")
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
	program := fixture.Build(t, "command/loads.c", "-ldl", "-pthread")
	script := fmt.Sprintf("for i in 1 2 3; do (echo 5 10; echo 1 2) | %s %s; done > /dev/null", program, library)
	target, err := sonde.Open(sonde.Command("/bin/sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Count(t.Context(), library+":step", sonde.WithEngine(engine))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		t.Fatal(err)
	}
	const want = 3 * (5*(10+3) + 2 + 3)
	if hits := session.Stats().Hits; !starved(t, session) && hits != want {
		t.Errorf("%d calls counted, the programs made %d", hits, want)
	}
}

// starved reports whether sonde says that it did not get to run when it should have, as on a machine with much else to do. It has nothing else to say.
func starved(t *testing.T, s *sonde.Session) (yes bool) {
	t.Helper()
	for _, n := range s.Notes() {
		if strings.Contains(n, "did not get to run") {
			yes = true
			continue
		}
		t.Error(n)
	}
	return yes
}
