package sonde_test

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// Every one of many programs that are executed one after the other is observed, from what was found out about the first.
func TestAProgramThatIsExecutedManyTimesIsCountedEachTime(t *testing.T) {
	const times = 20
	session := executing(t, fixture.Build(t, "command/many.c"), times)
	if err := session.Wait(); err != nil {
		t.Fatal(err)
	}
	if hits := session.Stats().Hits; hits != 2*(times+1) || len(session.Notes())+len(session.Refusals()) != 0 {
		t.Errorf("%d hits, %q, %v", hits, session.Notes(), session.Refusals())
	}
}

// executing counts all functions of a program that executes itself.
func executing(t testing.TB, program string, times int) *sonde.Session {
	t.Helper()
	target, err := sonde.Open(sonde.Command(program, strconv.Itoa(times)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	session, err := target.Count(t.Context(), program+":fn*", sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// BenchmarkExecutedPrograms is how long a program takes that executes the next one, a thousand functions of which are counted from inside, and
// how long it takes by itself.
func BenchmarkExecutedPrograms(b *testing.B) {
	program := fixture.Build(b, "command/many.c")
	b.Run("observed", func(b *testing.B) {
		if err := executing(b, program, b.N).Wait(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("alone", func(b *testing.B) {
		if err := exec.Command(program, strconv.Itoa(b.N)).Run(); err != nil {
			b.Fatal(err)
		}
	})
}
