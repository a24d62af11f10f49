package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// Pipelines, COPY in both directions, rows one at a time and what is prepared count as the program counts them.
func (s servers) libpqCountsAsItsProgram(t *testing.T) {
	pg := s.pg
	program := fixture.Build(t, "sql/libpq.c", "-Wl,--no-as-needed", "-lpq")
	said := filepath.Join(t.TempDir(), "said")
	seen := observed(t, sonde.SQLOptions{}, nil, silenced(pg, program, said))
	got := seen.queries
	got.agree(t, sqlprobe.PostgreSQL, read(t, said))
	got.check(t, "(prepared before attach)", expect{1, 0, 1})
	const slow = "SELECT repeat ( ? ), pg_sleep ( ? ) FROM generate_series ( ? )" // five rows, 100 ms between them, asked for one at a time
	got.check(t, slow, expect{1, 5, 0})
	for _, s := range seen.statements {
		if s.Digest == slow && (s.FirstRow < 20*time.Millisecond || s.Duration-s.FirstRow < 40*time.Millisecond) {
			t.Errorf("the first row after %v, the last after %v", s.FirstRow, s.Duration)
		}
	}
}

// The first row and the last result came when the program says that they did: not before the call began that gave them, and not after it had
// returned.
func TestFirstRowsComeWhenTheProgramGetsThem(t *testing.T) {
	pg := fixture.Postgres(t)
	program := fixture.Build(t, "sql/firstrow.c", "-Wl,--no-as-needed", "-lpq")
	const rounds = 10
	said := filepath.Join(t.TempDir(), "said")
	seen := observed(t, sonde.SQLOptions{}, nil, silenced(pg, program, strconv.Itoa(rounds), said))
	lines := strings.Split(strings.TrimSpace(read(t, said)), "\n")
	if len(lines) != rounds || len(seen.statements) != rounds {
		t.Fatalf("%d statements seen, %d executed, %d wanted", len(seen.statements), len(lines), rounds)
	}
	for i, s := range seen.statements {
		var first, last [2]time.Duration
		if _, err := fmt.Sscan(lines[i], &first[0], &first[1], &last[0], &last[1]); err != nil {
			t.Fatal(err)
		}
		if s.FirstRow < first[0] || s.FirstRow > first[1] || s.Duration < last[0] || s.Duration > last[1] || s.Rows != 3 {
			t.Errorf("round %d: first row after %v, not within %v; last after %v, not within %v; %d rows", i, s.FirstRow, first, s.Duration, last, s.Rows)
		}
	}
}

// Functions that do not block run on a stack of their own: what they execute counts once, and the program ends as it does unobserved.
func (s servers) nonBlockingLibmariadb(t *testing.T) {
	my := s.my
	program := fixture.Build(t, "sql/nonblocking.c", "-Wl,--no-as-needed", "-lmariadb")
	const rounds = 50
	my.Run(t, program, my.Socket(), strconv.Itoa(rounds))
	ended := filepath.Join(t.TempDir(), "ended")
	got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command("sh", "-c", `"$0" "$1" "$2"; echo $? >"$3"`, program, my.Socket(), strconv.Itoa(rounds), ended))
	if status := read(t, ended); status != "0\n" {
		t.Errorf("it ended with %s", status)
	}
	got.check(t, "INSERT INTO nb VALUES ( ? )", expect{rounds, rounds, 0})
	got.check(t, "SELECT a FROM nb WHERE a < ?", expect{rounds, 3 * rounds, 0})
	got.check(t, "SELECT x.a, y.a, repeat ( ? ) FROM nb, nb", expect{rounds, rounds * rounds * rounds, 0}) // in many parts
	got.check(t, "SELECT nope", expect{1, 0, 1})
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
