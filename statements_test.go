package sonde_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// database is a command whose SQLite executes 20 statements.
func database(t *testing.T) *sonde.Target {
	t.Helper()
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	fixture.Need(t, "sqlite3")
	inserts := strings.Repeat("insert into t values('a secret');", 19)
	return open(t, sonde.Command("sqlite3", ":memory:", "create table t(a);"+inserts))
}

func TestStatementsOfAProgramAreGatheredByDigest(t *testing.T) {
	for _, literals := range []bool{false, true} {
		s, err := database(t).SQL(t.Context(), sonde.SQLOptions{Literals: literals})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for st := range s.Statements() {
			if st.Duration <= 0 || st.Comm != "sqlite3" {
				t.Errorf("%+v", st)
			}
			if st.Digest != "INSERT INTO t VALUES ( ? )" {
				continue
			}
			seen++
			if strings.Contains(st.Text, "a secret") != literals {
				t.Errorf("literals %v: %s", literals, st.Text)
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		queries := s.Queries()
		total := uint64(0)
		for _, q := range queries {
			total += q.Count
		}
		if seen != 19 || len(queries) != 2 || total != 20 || s.Stats().Lost != 0 {
			t.Errorf("literals %v: %d inserts, want 19; %d digests, %d statements, %d records lost", literals, seen, len(queries), total, s.Stats().Lost)
		}
		if status, ok := s.ExitStatus(); status != 0 || !ok {
			t.Errorf("the command ended with %d, %v", status, ok)
		}
	}
}

func TestOnlySlowStatementsAreYieldedAndAllAreCounted(t *testing.T) {
	s, err := database(t).SQL(t.Context(), sonde.SQLOptions{Slow: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for st := range s.Statements() {
		t.Errorf("an hour of %s", st.Text)
	}
	total := uint64(0)
	for _, q := range s.Queries() {
		total += q.Count
	}
	if err := s.Err(); err != nil || total != 20 {
		t.Errorf("%d statements, want 20; %v", total, err)
	}
}

func TestNothingIsLeftOfARunThatObservesStatements(t *testing.T) {
	target := database(t)
	for name, end := range map[string]func(s *sonde.SQLSession) error{
		"read to its end": func(s *sonde.SQLSession) error { return s.Wait() },
		"left in the middle": func(s *sonde.SQLSession) error {
			for range s.Statements() {
				break
			}
			return s.Err()
		},
		"closed unread": func(s *sonde.SQLSession) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			run := func() {
				t.Helper()
				s, err := target.SQL(t.Context(), sonde.SQLOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if len(programs(t)) == 0 {
					t.Error("the session held no eBPF program: the test sees nothing")
				}
				if err := end(s); err != nil {
					t.Error(err)
				}
			}
			run() // the first run leaves what is kept on purpose: open symbol files
			before := count(t)
			run()
			settled(t, before)
		})
	}
}

func TestATargetWithoutADriverSaysSo(t *testing.T) {
	_, pid := running(t)
	_, err := open(t, sonde.PID(pid)).SQL(t.Context(), sonde.SQLOptions{})
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != "no-driver" {
		t.Errorf("%v", err)
	}
}
