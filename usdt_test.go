package sonde_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// ran runs a script on a target while something happens, and gives the values of its maps without keys.
func ran(t *testing.T, target *sonde.Target, text string, do func()) map[string]uint64 {
	t.Helper()
	session, err := target.Run(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	if do != nil {
		do()
		session.Stop()
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	snap, err := session.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, m := range snap.Maps {
		for _, e := range m.Entries {
			counts[m.Name] += e.Agg.Count
		}
	}
	return counts
}

func TestStaticProbesOfPostgreSQLSeeItsQueries(t *testing.T) {
	server := fixture.Postgres(t)
	binary := server.Tool("postgres")
	target := open(t, sonde.File(binary))
	counts := ran(t, target, `
		usdt:`+binary+`:postgresql:query__start /str(arg0) == "select 41 + 1"/ { @start = count(); }
		usdt:`+binary+`:postgresql:query__done /str(arg0) == "select 41 + 1"/ { @done = count(); }
		usdt:`+binary+`:postgresql:transaction__abort { @aborted = count(); }`, func() {
		for range 5 {
			server.Run(t, "psql", "-Xqtc", "select 41 + 1")
		}
		server.Run(t, "psql", "-Xqtc", "begin", "-c", "select 41 + 1", "-c", "rollback")
	})
	if counts["start"] != 6 || counts["done"] != 6 || counts["aborted"] != 1 {
		t.Errorf("got %v, want 6 queries, begun and done, and one transaction aborted", counts)
	}
}

func TestStaticProbesOfPythonSeeItsImports(t *testing.T) {
	fixture.NeedRoot(t)
	const python = "/usr/bin/python3"
	fixture.Need(t, python)
	binary, err := filepath.EvalSymlinks(python)
	if err != nil {
		t.Fatal(err)
	}
	target := open(t, sonde.Command(binary, "-c", "import colorsys, gc\nfor i in range(7): gc.collect(1)"))
	pt, err := script.ParsePoint("usdt:"+binary+":python:import*", script.USDT)
	if err != nil {
		t.Fatal(err)
	}
	list, err := target.List(pt, sonde.StaticProbes)
	if err != nil {
		t.Skipf("refused: this Python is built without static probes: %v", err)
	}
	if len(list) != 2 {
		t.Errorf("%d probes about imports, want start and done", len(list))
	}
	counts := ran(t, target, `
		usdt:`+binary+`:python:import__find__load__start /str(arg0) == "colorsys"/ { @started = count(); }
		usdt:`+binary+`:python:import__find__load__done /str(arg0) == "colorsys" && arg1 == 1/ { @found = count(); }
		usdt:`+binary+`:python:gc__start /arg0 == 1/ { @collected = count(); }`, nil)
	if counts["started"] != 1 || counts["found"] != 1 || counts["collected"] < 7 {
		t.Errorf("got %v, want colorsys looked for once and found, and 7 collections of generation 1", counts)
	}
}

func TestStaticProbesOfTheCXXLibrarySeeExceptions(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/throws.cc")
	if out, err := exec.Command(program).Output(); err != nil || string(out) != "caught 25\n" {
		t.Fatalf("alone: %q, %v", out, err)
	}
	target := open(t, sonde.Command(program))
	counts := ran(t, target, `
		usdt:libstdc++:libstdcxx:throw { @thrown = count(); }
		usdt:libstdc++:libstdcxx:catch { @caught = count(); }`, nil)
	if counts["thrown"] != 25 || counts["caught"] != 25 {
		t.Errorf("got %v, want 25 of each", counts)
	}
}
