package safety

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A server that sonde comes to while it works, and of which it probes every function of every library from inside, answers the same, and stops when
// asked to.
func TestServersWorkAttachedTo(t *testing.T) {
	for _, c := range servers {
		if c.long && amount == 1 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			fixture.Libraries(t, true)
			s := sonde(t)
			s.Engine = "user"
			fixture.Need(t, c.needs...)
			alone, _ := c.run(t, nil)
			for _, verb := range []string{"count", "time"} {
				r := c.start(t, nil)
				a := s.attach(t, verb, c.observed(r), "*:*")
				answers := c.load(t, r.dir, r.port)
				seen := a.end()
				log := r.stop()
				if answers != alone {
					t.Errorf("%s: answers %q, alone %q\n%s", verb, tail(answers), tail(alone), tail(log))
				}
				if seen.Sonde != 0 || seen.Stats.Hits == 0 {
					t.Errorf("%s: status %d, %d hits\n%s", verb, seen.Sonde, seen.Stats.Hits, tail(seen.Stderr))
				}
			}
		})
	}
}

// observed is the process that does the work: the server, or its first worker.
func (c server) observed(r *serving) int {
	pid := r.cmd.Process.Pid
	if c.name != "nginx" {
		return pid
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	if err != nil {
		r.t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.Fields(string(text))[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return child
}

// A program that adds up its own code finds it as it was once sonde has gone, and while it is there the code does what it did.
func TestProgramThatReadsItsOwnCodeFindsItAgain(t *testing.T) {
	s := sonde(t)
	s.Engine = "user"
	p := start(t, worker{argv: built("safety/work/owntext.c")})
	alone, _ := p.work()
	a := s.attach(t, "time", p.pid, "fold", "main")
	during, _ := p.work()
	a.end()
	after, _ := p.work()
	_, result, _ := strings.Cut(alone, " ")
	if text, got, _ := strings.Cut(during, " "); got != result || strings.HasPrefix(alone, text+" ") {
		t.Errorf("observed it gives %s, alone %s; the sum of its code should differ, the result should not", during, alone)
	}
	if after != alone {
		t.Errorf("afterwards it gives %s, before %s", after, alone)
	}
	p.end()
}

// Threads that are busy in the probed functions compute what they should through session after session.
func TestHotThreadsSurviveManySessions(t *testing.T) { manySessions(t, 12, limit) }

// manySessions attaches so many times, or fewer once the time is over.
func manySessions(t *testing.T, times int, patience time.Duration) {
	s := sonde(t)
	s.Engine = "user"
	p := start(t, worker{argv: func(t *testing.T) []string { return []string{fixture.Build(t, "engine/hot.c"), "4"} }})
	p.line() // where its functions are
	end := time.Now().Add(patience)
	for n := 0; n < times && (n < 12 || time.Now().Before(end)); n++ {
		a := s.attach(t, []string{"count", "time"}[n%2], p.pid, "fold", "step")
		if seen := a.end(); seen.Sonde != 0 || seen.Stats.Hits == 0 {
			t.Fatalf("session %d: status %d, %d hits\n%s", n, seen.Sonde, seen.Stats.Hits, tail(seen.Stderr))
		}
	}
	p.end()
}
