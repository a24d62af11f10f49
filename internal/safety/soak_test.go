//go:build soak

package safety

import (
	"os"
	"testing"
	"time"
)

// soaked gives programs twenty times the load of a test run, or more if SONDE_SOAK is longer than five minutes.
func soaked(t *testing.T) {
	amount = 20
	if d, err := time.ParseDuration(os.Getenv("SONDE_SOAK")); err == nil {
		amount = max(amount, int(d/time.Minute)*4)
	}
	t.Cleanup(func() { amount = 1 })
}

// The programs with more functions than every test run has time for do not notice either.
func TestSoakProgramsDoNotNotice(t *testing.T) {
	for _, p := range programs {
		if p.long {
			t.Run(p.name, func(t *testing.T) { p.unnoticed(t, "") })
			if p.shared == "" {
				t.Run(p.name+", from inside", func(t *testing.T) { p.unnoticed(t, "user") })
				t.Run(p.name+", behind a predicate inside", func(t *testing.T) { p.unnoticed(t, "hybrid", "--if", "rand % 1 == 0") })
			}
		}
	}
}

// So it is when every call traps behind a jump.
func TestSoakProgramsDoNotNoticeTrapsBehindJumps(t *testing.T) {
	for _, p := range programs {
		if p.shared == "" {
			t.Run(p.name, func(t *testing.T) { p.unnoticed(t, "hybrid") })
		}
	}
}

// Servers do not notice under load for minutes.
func TestSoakServersDoNotNotice(t *testing.T) {
	soaked(t)
	TestServersUnderLoadDoNotNotice(t)
}

// Large programs work attached to.
func TestSoakWholeProgramsWorkAttachedTo(t *testing.T) { wholePrograms(t, true, "user") }

// They are attached to and left while they work.
func TestSoakWholeProgramsAreAttachedToWhileTheyWork(t *testing.T) { whileWorking(t, true, 4) }

// So do those of which every function is sampled from inside, where one call in a hundred traps. What cannot be patched (of node one function in ten)
// traps at each call, so they take their time.
func TestSoakWholeProgramsWorkWhileSampled(t *testing.T) {
	soaked(t)
	for _, long := range []bool{false, true} {
		wholePrograms(t, long, "hybrid", "--sample", "100")
	}
}

// Servers under load for minutes do not notice that they are attached to.
func TestSoakServersWorkAttachedTo(t *testing.T) {
	soaked(t)
	TestServersWorkAttachedTo(t)
}

// A thousand sessions on the same threads, or as many as SONDE_SOAK has time for.
func TestSoakHotThreadsSurviveAThousandSessions(t *testing.T) {
	patience := 10 * time.Minute
	if d, err := time.ParseDuration(os.Getenv("SONDE_SOAK")); err == nil {
		patience = d
	}
	manySessions(t, 1000, patience)
}

// Long work is done as it is done alone.
func TestSoakWorkingProgramsDoNotNotice(t *testing.T) {
	soaked(t)
	for _, c := range longWorks {
		t.Run(c.name, func(t *testing.T) { c.unnoticed(t, "") })
		t.Run(c.name+", from inside", func(t *testing.T) { c.unnoticed(t, "user") })
	}
}
