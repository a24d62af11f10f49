package user

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// surveyed starts a program that waits, and makes the plan of counting functions of it.
func surveyed(t *testing.T, program, function string) *plan.Plan {
	t.Helper()
	return enginetest.Start(t, program).Plan("uprobe:PROGRAM:"+function+" { @[func] = count(); }", resolve.ReturnSites)
}

// What was planned to say what can be patched is what is patched: nothing is planned a second time, for a process or for another that runs the same file.
func TestWindowsArePlannedOnce(t *testing.T) {
	program := fixture.Build(t, "engine/aside.c")
	p := surveyed(t, program, "/^(pushes|reserves|tests)$/")
	survey := NewSurvey()
	if refused, err := survey.Refused(p); err != nil || len(refused) != 0 {
		t.Fatal(refused, err)
	}
	for _, f := range survey.files {
		for _, found := range f.planned { // so that who plans again is found out
			found.windows = nil
			found.refuse("the mark of the first plan")
		}
	}
	p.Filter.PIDs = surveyed(t, program, "pushes").Filter.PIDs
	s, err := survey.Open(p)
	if err == nil {
		defer s.Close()
		_, err = s.Arm()
	}
	if err == nil || !strings.Contains(strings.Join(hintsOf(err), "\n"), "the mark of the first plan") {
		t.Errorf("planned again: %v", err)
	}
}

func hintsOf(err error) []string {
	if d := new(script.Diagnostic); errors.As(err, &d) {
		return d.Hints
	}
	return nil
}

// A file that was written anew since is another file: nothing that is known of the old one holds for it.
func TestAFileThatIsReplacedIsNotTakenForTheOldOne(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	install(t, fixture.Build(t, "engine/aside.c"), program)
	p := surveyed(t, program, "pushes")
	survey := NewSurvey()
	defer survey.Close()
	if refused, err := survey.Refused(p); err != nil || len(refused) != 0 {
		t.Fatal(refused, err)
	}
	install(t, fixture.Build(t, "engine/aside.c", "-O1"), program)
	if refused, err := survey.Refused(p); err != nil || len(refused) != 0 {
		t.Errorf("the process that runs the old file: %v, %v", refused, err)
	}
	p.Filter.PIDs = surveyed(t, program, "pushes").Filter.PIDs
	if refused, err := survey.Refused(p); err != nil || len(refused) != 1 || !strings.Contains(refused[0].Why, errAbsent.Error()) {
		t.Errorf("the process that runs the new one: %v, %v", refused, err)
	}
}

// install puts a program in the place of another one.
func install(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(fixture.CopyTo(t, from, to+".new"), to); err != nil {
		t.Fatal(err)
	}
}
