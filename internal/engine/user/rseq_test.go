package user_test

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/resolve"
)

// What the kernel starts over when it interrupts it stays where it is: the function's start is patched, the ret would take the sequence's last instruction with it.
func TestRestartableSequencesAreNotMoved(t *testing.T) {
	r := enginetest.Start(t, fixture.Build(t, "engine/restarts.c"))
	survey := user.NewSurvey()
	defer survey.Close()
	returns := r.Plan("uretprobe:PROGRAM:bump { @[func] = count(); }", resolve.ReturnSites)
	refused, err := survey.Refused(returns)
	if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Why, "restartable sequence") {
		t.Errorf("the ret is refused so: %v, %v", refused, err)
	}
	s := enginetest.Armed(t, user.Open, r.Plan("uprobe:PROGRAM:bump { @[func] = count(); }", resolve.ReturnSites))
	r.Tell("")
	if out := r.Wait(); !strings.Contains(out, "400000") {
		t.Errorf("the program counts %s", out)
	}
	s.Disarm()
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if stats := counts.Stats(); stats.Hits < 400000 || stats.Lost > 0 { // what is started over begins with bump's first instruction
		t.Errorf("%+v", stats)
	}
}
