package sonde_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// Whose first thread has ended by pthread_exit is observed by its process ID like any other: the threads that are left, with names and stacks.
func TestAProcessWhoseFirstThreadHasEndedIsObserved(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/calls.c", "-fno-omit-frame-pointer")
	for _, engine := range []sonde.Engine{"", sonde.EngineKernel, sonde.EngineTracefs, sonde.EngineMixed} {
		t.Run("engine "+string(engine), func(t *testing.T) {
			p := fixture.Start(t, program, "leaderless")
			awaitEndOfFirstThread(t, p.PID)
			s, err := open(t, sonde.PID(p.PID)).Count(t.Context(), "leaf", sonde.WithEngine(engine))
			if err != nil {
				t.Fatal(err)
			}
			p.Tell("go")
			if err := s.Wait(); err != nil || s.Stats().Hits != 10 {
				t.Errorf("%d of 10 calls, %v", s.Stats().Hits, err)
			}
		})
	}
	t.Run("stacks", func(t *testing.T) {
		p := fixture.Start(t, program, "leaderless")
		awaitEndOfFirstThread(t, p.PID)
		s, err := open(t, sonde.PID(p.PID)).Run(t.Context(), `uprobe:*:leaf { printf("%s\n", ustack); }`, sonde.WithEngine(sonde.EngineKernel))
		if err != nil {
			t.Fatal(err)
		}
		p.Tell("go")
		said := ""
		for e := range s.Events() {
			if o, ok := e.(*event.Print); ok {
				said += o.Text()
			}
		}
		if strings.Count(said, "outlives") != 10 {
			t.Errorf("stacks: %s", said)
		}
	})
	t.Run("from inside", func(t *testing.T) {
		p := fixture.Start(t, program, "leaderless")
		awaitEndOfFirstThread(t, p.PID)
		_, err := open(t, sonde.PID(p.PID)).Count(t.Context(), "leaf", sonde.WithEngine(sonde.EngineUser))
		var d *script.Diagnostic
		if !errors.As(err, &d) || d.Code != "leaderless" {
			t.Errorf("%v", err)
		}
		p.Tell("go")
	})
}

func awaitEndOfFirstThread(t *testing.T, pid int) {
	t.Helper()
	for range 3000 {
		if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(text), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("its first thread lives on")
}
