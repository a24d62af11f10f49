package sqlstat

import (
	"strings"
	"testing"
	"time"
)

// Each statement of a text counts by itself.
func TestStoriesOfSeveralStatements(t *testing.T) {
	tell(t, []tale{
		{"statements of one text have a result each, and the one that fails is the last", `
			1 libpq send conn=9 simple=1 text=A;B;C;D
			1 libpq result conn=9 status=4
			1 libpq result conn=9 status=1 tag=x
			1 libpq result conn=9 status=9 tuples=1
			1 libpq result conn=9 status=2 tuples=0
			1 libpq result conn=9 status=7 message=bad
			1 libpq done conn=9
			1 libpq send conn=9 simple=1 text=A;
			1 libpq result conn=9 status=1 tag=x
			1 libpq result conn=9 status=2 tuples=2
			1 libpq done conn=9
			1 libpq send conn=9 simple=1 text=;
			1 libpq result conn=9 status=0
			1 libpq done conn=9`, []string{"A 2ms", "B 2ms rows=1", "C 1ms failed: bad", "A; 2ms rows=2"}, 0},
		{"statements of one text that a backend executes are complete one by one, and what follows a complete one has failed", `
			1 postgres running text=A;B;C
			1 postgres execute portal=7 most=all
			1 postgres execute portal=8 most=all
			1 postgres ran rows=2
			1 postgres execute portal=7 most=all
			1 postgres ran rows=1
			1 postgres failed message=bad
			1 postgres failed at=3
			1 postgres idle
			1 postgres running text=A;B;C
			1 postgres failed at=5
			1 postgres idle
			1 postgres running text=A;B
			1 postgres execute portal=7 most=all
			1 postgres ran rows=2
			1 postgres failed message=late
			1 postgres idle`, []string{"A 3ms rows=2", "B 2ms rows=1", "C 3ms failed: bad", "C 2ms failed: ", "A 2ms rows=2", "B 2ms failed: late"}, 0},
		{"statements of one text whose outcomes libmariadb asks for, a routine's until the one without rows", `
			1 libmariadb send conn=9 text=A;CALL;B
			1 libmariadb done conn=9 status=0 rows=1 fields=0
			1 libmariadb next conn=9
			1 libmariadb done conn=9 status=0 rows=-1 fields=1
			1 libmariadb result conn=9 rows=5
			1 libmariadb next conn=9
			1 libmariadb done conn=9 status=0 rows=2 fields=0
			1 libmariadb next conn=9
			1 libmariadb done conn=9 status=1 fields=0 message=bad`, []string{"A 1ms rows=1", "CALL 4ms rows=7", "B 1ms failed: bad"}, 0},
		{"statements of one text that a server parses anew for each, where it says that they begin", `
			1 mariadbd send command=3 text=A;B;C;D
			1 mariadbd next left=7 sent=0
			1 mariadbd ran rows=1
			1 mariadbd next left=3 sent=2
			1 mariadbd failed message=bad
			1 mariadbd done command=3 sent=0
			1 mariadbd send command=3 text=A;B
			1 mariadbd next sent=9
			1 mariadbd next sent=2
			1 mariadbd done command=3 sent=1`, []string{"A;B 3ms rows=3", "C 2ms rows=0 failed: bad", "A 2ms rows=2", "B 1ms rows=1"}, 0},
	})
}

// Statements of one text that a driver does not tell apart are marked, and their transaction is the text's.
func TestStatementsThatAreNotToldApartAreMarked(t *testing.T) {
	s := NewStream(&sink{}, Options{})
	for i, line := range strings.Split(`gosql send goid=4 conn=9 text=BEGIN;A;COMMIT
		gosql result goid=4
		gosql send goid=4 conn=9 text=BEGIN;A
		gosql result goid=4
		gosql send goid=4 conn=9 text=B
		gosql result goid=4
		gosql send goid=4 conn=9 text=A;ROLLBACK
		gosql result goid=4
		gosql send goid=4 conn=9 text=B;
		gosql result goid=4`, "\n") {
		e := printed(line)
		e.Time, e.PID = start.Add(time.Duration(i)*time.Millisecond), 1
		s.Event(e)
	}
	want := map[string]uint64{"BEGIN; A; COMMIT": 3, "BEGIN; A": 2, "A; ROLLBACK": 2, "B": 0}
	for _, q := range s.Queries() {
		if together, ok := want[q.Digest]; !ok || q.Together != together {
			t.Errorf("%s: %d together", q.Digest, q.Together)
		}
	}
	if tx := s.Transactions(); len(tx) != 1 || tx[0].Count != 1 || tx[0].RolledBack != 1 || tx[0].Statements != 1 {
		t.Errorf("transactions: %+v", tx)
	}
}

// An error stands where libpq's message points at in the text, which it may show in part.
func TestErrorsAreFoundInTheText(t *testing.T) {
	for message, want := range map[string]string{
		"ERROR:  syntax error at or near \"selec\"\nLINE 1: select 'é'; selec 2\n                    ^\n": "selec 2",
		"ERROR:  syntax error at or near \"selec\"\nZEILE 1: ...'é'; selec 2;...\n                 ^\n":   "selec 2",
		"ERROR:  division by zero\n":             "select 'é'",
		"ERROR:  x\nLINE 1: absent\n        ^\n": "select 'é'",
	} {
		s := severalOf("postgresql", statementText{text: "select 'é'; selec 2; select 3", known: true})
		s.fails(s.errorAt(message))
		if got := s.statement().text; got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}
