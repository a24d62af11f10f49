package user

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
)

// Probes that had been planned for one program came into the next that the process executed, counted there, and were taken away again.
func TestAProgramThatComesMeanwhileGetsNoProbesOfTheOneBefore(t *testing.T) {
	program := fixture.Build(t, "command/replace.c", "-pthread", "-static")
	r := enginetest.Start(t, program)
	executes := func() {
		t.Helper()
		if line := r.Ask("exec " + program); line != "ready" {
			t.Fatal(line)
		}
	}
	r.Line()
	p := r.Plan("uprobe:PROGRAM:step { @ = count(); }", resolve.ReturnSites)
	survey := NewSurvey()
	s, err := survey.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.looks = false // we do
	if refused, err := s.Arm(); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	told, err := target.NewExecWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	w, err := s.watch(s.images[0], told)
	if err != nil {
		t.Fatal(err)
	}
	executes()
	w.replaced(time.Now())
	process, err := inject.Open(r.PID)
	if err != nil {
		t.Fatal(err)
	}
	w.image = s.newImage(process)
	if err := w.image.find(); err != nil {
		t.Fatal(err)
	}
	executes()
	if _, err := w.install(w.image, w.still); err == nil {
		t.Error("the second program has the first one's probes")
	}
	r.Number("call 1000")
	if w.sure(time.Now()) {
		t.Error("the second program is taken for the first")
	}
	w.look()
	r.Number("call 500")
	s.Disarm()
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if hits := counts.Stats().Hits; hits != 500 {
		t.Errorf("%d calls counted, want those 500 that were made when probes were there to stay", hits)
	}
	r.Finish()
}
