package sqlstat

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// story plays records, one a line and a millisecond: "PID[.TID] driver role field=value ...", and gives what ended: "text 2ms", with rows and errors.
func story(t *testing.T, text string) (*pairing, []string) {
	t.Helper()
	var out []string
	p := newPairing(func(x *execution) {
		line := fmt.Sprintf("%s %s", x.Text, x.Duration)
		if x.Rows >= 0 {
			line += fmt.Sprintf(" rows=%d", x.Rows)
		}
		if x.Failed {
			line += " failed: " + x.Error
		}
		out = append(out, line)
	})
	at := start
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		words := strings.Fields(line)
		process, thread, apart := strings.Cut(words[0], ".")
		if !apart {
			thread = process
		}
		e := printed(strings.Join(words[1:], " "))
		fmt.Sscan(process, &e.PID)
		fmt.Sscan(thread, &e.TID)
		e.Time = at
		if !p.add(e) {
			t.Fatalf("not taken: %s", line)
		}
		at = at.Add(time.Millisecond)
	}
	p.settle(at.Add(time.Hour))
	return p, out
}

// printed is the record that a line tells: "driver role field=value ...".
func printed(line string) *event.Print {
	words := strings.Fields(line)
	e := &event.Print{Format: words[0] + " " + words[1]}
	for _, pair := range words[2:] {
		name, value, _ := strings.Cut(pair, "=")
		e.Format += " " + name + "=%s"
		var number int64
		if value == "all" {
			value = fmt.Sprint(math.MaxInt64)
		}
		if _, err := fmt.Sscan(value, &number); err == nil && name != "at" {
			e.Args = append(e.Args, event.Int(number))
		} else {
			e.Args = append(e.Args, event.String(value))
		}
	}
	return e
}

// tale is a story, what it comes to, and how many statements stay open.
type tale struct {
	name, story string
	want        []string
	open        int
}

func TestStories(t *testing.T) {
	tell(t, []tale{
		{"a statement ends with its last result, however late NULL is asked for", `
			1 libpq done conn=9
			1 libpq send conn=9 text=A
			1 libpq result conn=9 status=2 tuples=3 tag=x message=
			2 libpq done conn=9
			1 libpq done conn=9
			1 libpq done conn=9`, []string{"A 1ms rows=3"}, 0},
		{"a pipeline answers in order", `
			1 libpq prepare conn=9 name=p text=P
			1 libpq execute conn=9 name=p
			1 libpq send conn=9 text=B
			1 libpq result conn=9 status=1 tag=x
			1 libpq done conn=9
			1 libpq result conn=9 status=2 tuples=1
			1 libpq done conn=9
			1 libpq result conn=9 status=7 message=bad
			1 libpq done conn=9
			1 libpq result conn=9 status=10
			1 libpq done conn=9`, []string{"P 4ms rows=1", "B 5ms failed: bad"}, 0},
		{"what was refused is no statement and lends its beginning to none", `
			1 libpq send conn=9 text=A
			1 libpq done conn=9
			1 libpq send conn=9 text=B
			1 libpq result conn=9 status=1 tag=x
			1 libpq done conn=9`, []string{"B 1ms"}, 0},
		{"a connection at the address of a closed one knows none of its statements", `
			1 libpq prepare conn=9 name=p text=P
			1 libpq result conn=9 status=1 tag=x
			1 libpq done conn=9
			1 libpq send conn=9 text=A
			1 libpq forget conn=9
			1 libpq execute conn=9 name=p
			1 libpq result conn=9 status=2 tuples=0
			1 libpq done conn=9`, []string{"(prepared before attach) 1ms rows=0"}, 0},
		{"a backend's Parse, Bind and Execute are one statement, preparing is none, a batch is several", `
			1 postgres running text=A
			1 postgres idle
			1 postgres running text=A
			1 postgres running text=A
			1 postgres execute most=all
			1 postgres ran rows=2
			1 postgres running text=B
			1 postgres running text=B
			1 postgres execute most=all
			1 postgres ran rows=1
			1 postgres idle`, []string{"A 4ms rows=2", "B 4ms rows=1"}, 0},
		{"a parallel worker ends no statement", `
			1 postgres running text=A
			1 postgres execute most=all
			2 postgres running text=A
			1 postgres ran rows=1
			1 postgres idle`, []string{"A 4ms rows=1"}, 0},
		{"a backend that fails before it executes has failed", `
			1 postgres running text=A
			1 postgres failed
			1 postgres idle`, []string{"A 2ms failed: "}, 0},
		{"a portal that is fetched in parts is one statement", `
			1 postgres running text=A
			1 postgres running text=A
			1 postgres execute portal=7 most=2
			1 postgres idle
			1 postgres running text=B
			1 postgres execute portal=8 most=all
			1 postgres ran rows=1
			1 postgres idle
			1 postgres running text=A
			1 postgres execute portal=7 most=2
			1 postgres running text=A
			1 postgres execute portal=7 most=all
			1 postgres ran rows=1
			1 postgres idle`, []string{"B 3ms rows=1", "A 13ms rows=5"}, 0},
		{"a portal that is left ends with its last part, and lends nothing to the one at its address", `
			1 postgres running text=A
			1 postgres execute portal=7 most=2
			1 postgres idle
			1 postgres running text=A
			1 postgres running text=A
			1 postgres execute portal=7 most=2
			1 postgres idle
			1 postgres running text=COMMIT
			1 postgres execute portal=9 most=all
			1 postgres ran rows=0
			1 postgres idle`, []string{"A 2ms rows=2", "A 3ms rows=2", "COMMIT 3ms rows=0"}, 0},
		{"a portal that rests is open", `
			1 postgres running text=A
			1 postgres execute portal=7 most=2
			1 postgres idle`, nil, 1},
		{"what runs when its backend ends has failed, and a process of the same number begins anew", `
			1 postgres running text=A
			1 postgres execute portal=7 most=all
			1 postgres failed message=terminating
			1 postgres closed
			1 postgres running text=B
			1 postgres execute portal=7 most=all
			1 postgres forget
			1 postgres running text=C
			1 postgres execute portal=7 most=all
			1 postgres ran rows=1
			1 postgres idle`, []string{"A 3ms failed: terminating", "C 3ms rows=1"}, 0},
		{"a killed backend leaves its statement open", `
			1 postgres running text=A
			1 postgres execute most=all`, nil, 1},
		{"a statement of libmariadb ends once, and its rows come after its end", `
			1 libmariadb send conn=9 text=A
			1 libmariadb done conn=9 status=0 rows=-1 message=
			1 libmariadb done conn=9 status=0 rows=-1 message=
			1 libmariadb result conn=9 rows=5
			1 libmariadb send conn=9 text=B
			1 libmariadb done conn=9 status=1 rows=-1 message=bad`, []string{"A 1ms rows=5", "B 1ms failed: bad"}, 0},
		{"a statement of libmariadb of whose outcome nobody asks ends when the next one begins", `
			1 libmariadb send conn=9 text=A
			1 libmariadb send conn=9 text=A
			1 libmariadb done conn=9 status=0 rows=2 message=`, []string{"A 1ms", "A 1ms rows=2"}, 0},
		{"a function of libmariadb that another one calls begins nothing, however late", `
			1 libmariadb send conn=9 text=A inner=0 sp=5000
			1 libmariadb send conn=9 text=A inner=1 sp=4800
			1 libmariadb done conn=9 status=0 rows=2 message=
			1 libmariadb send conn=9 text=A inner=1 sp=4800
			1 libmariadb send conn=9 text=A inner=1 sp=4800
			1 libmariadb done conn=9 status=0 rows=2 message=`, []string{"A 2ms rows=2", "A 1ms", "A 1ms rows=2"}, 0},
		{"a handle's statement", `
			1 libmariadb prepare stmt=7 status=0 text=P ns=5
			1 libmariadb execute stmt=7 conn=9
			1 libmariadb ended stmt=7 status=0 rows=2 message=
			1 libmariadb forget stmt=7
			1 libmariadb execute stmt=7 conn=9
			1 libmariadb ended stmt=7 status=0 rows=1 message=`, []string{"P 1ms rows=2", "(prepared before attach) 1ms rows=1"}, 0},
		{"what a connection executes, as text or prepared, ends in its order, and stored rows come after the end", `
			1 libmariadb prepare stmt=7 status=0 text=P ns=5
			1 libmariadb send conn=9 text=BEGIN
			1 libmariadb done conn=9 status=0 rows=0 message=
			1 libmariadb execute stmt=7 conn=9
			1 libmariadb ended stmt=7 status=0 rows=-1 message=
			1 libmariadb result stmt=7 conn=9 rows=4
			1 libmariadb send conn=9 text=COMMIT
			1 libmariadb done conn=9 status=0 rows=0 message=`, []string{"BEGIN 1ms rows=0", "P 1ms rows=4", "COMMIT 1ms rows=0"}, 0},
		{"a command of a pool of threads that waits and goes on on another thread counts once", `
			1.1 mariadbd send command=3 thd=5 text=A
			1.1 mariadbd done command=3 thd=5 later=1
			1.1 mariadbd send command=3 thd=6 text=B
			1.1 mariadbd ran rows=2
			1.1 mariadbd done command=3 thd=6 later=0
			1.2 mariadbd send command=3 thd=5 text=A
			1.2 mariadbd ran rows=1
			1.2 mariadbd done command=3 thd=5 later=0`, []string{"B 2ms rows=2", "A 7ms rows=1"}, 0},
		{"the server's command gets the text of what it executes", `
			1 mariadbd send command=22 text=P
			1 mariadbd prepare stmt=7 text=P
			1 mariadbd done command=22
			1 mariadbd send command=23 text=
			1 mariadbd execute stmt=7
			1 mariadbd ran rows=4
			1 mariadbd done command=23
			1 mariadbd send command=3 text=A
			1 mariadbd failed message=bad
			1 mariadbd done command=3`, []string{"P 3ms rows=4", "A 2ms failed: bad"}, 0},
		{"a server's statement that was prepared before has the text of the log, and gives the rows that it sent", `
			1 mariadbd send command=23 text=
			1 mariadbd execute stmt=7
			1 mariadbd prepared text=P
			1 mariadbd done command=23 sent=3
			1 mariadbd send command=3 text=A
			1 mariadbd ran rows=2
			1 mariadbd done command=3 sent=0`, []string{"P 3ms rows=3", "A 2ms rows=2"}, 0},
		{"a SQLite statement that was prepared before has the text that it keeps", `
			1 sqlite ended stmt=7 status=101 ns=500 rows=2 text=K`, []string{"K 500ns rows=2"}, 0},
		{"preparing counts to the first execution of a SQLite statement", `
			1 sqlite prepare stmt=7 status=0 bytes=-1 tail=1 ns=1000 text=A;B
			1 sqlite ended stmt=7 status=101 ns=500 rows=2
			1 sqlite ended stmt=7 status=19 ns=500 rows=0
			1 sqlite prepare stmt=0 status=1 bytes=-1 tail=0 ns=1000 text=X
			1 sqlite ended stmt=8 status=101 ns=500 rows=0`,
			[]string{"A 1.5µs rows=2", "A 500ns rows=0 failed: SQLITE_CONSTRAINT", "X 1µs failed: SQLITE_ERROR", "(prepared before attach) 500ns rows=0"}, 0},
		{"what a Go driver does inside of database/sql is the same statement, and rows end it when they are closed", `
			1 gosql send goid=4 text=A
			1 pgx send goid=4 text=A
			1 pgx result goid=4 rows=0 error=0
			1 gosql result goid=4 rows=77
			1 gosql closed rows=77 nexts=3 ends=1
			1 gosql closed rows=77 nexts=0 ends=1
			1 gosql send goid=5 text=B
			1 gosql result goid=5 error=1`, []string{"A 4ms rows=2", "B 1ms failed: "}, 0},
		{"a Go statement that a panic left lends its beginning to none, and a preparation counts when it fails", `
			1 gosql send goid=4 text=A
			1 gosql send goid=4 text=B
			1 gosql result goid=4
			1 gosql prepare goid=4 text=P
			1 gosql result goid=4
			1 gosql prepare goid=4 text=P
			1 gosql result goid=4 error=1`, []string{"B 1ms", "P 1ms failed: "}, 0},
		{"COPY of lib/pq is one statement, however many rows it is fed", `
			1 gosql send goid=4 text=COPY_t stmt=8 args=2
			1 gosql result goid=4
			1 gosql send goid=4 text=COPY_t stmt=8 args=2
			1 gosql result goid=4
			1 gosql send goid=4 text=COPY_t stmt=8 args=0
			1 gosql result goid=4`, []string{"COPY_t 5ms rows=2"}, 0},
		{"a statement that pgx prepared by name shows its text, until the connection is closed", `
			1 pgx prepare goid=4 conn=9 name=n text=P
			1 pgx result goid=4
			1 pgx send goid=4 conn=9 text=n
			1 pgx result goid=4 tag=x
			1 pgx forget conn=9
			1 pgx send goid=4 conn=9 text=n
			1 pgx result goid=4 tag=x
			1 pgx send goid=4 conn=9 text=B before=1
			1 pgx result goid=4 error=1`, []string{"P 1ms", "n 1ms"}, 0},
	})
}

func tell(t *testing.T, tales []tale) {
	t.Helper()
	for _, tt := range tales {
		t.Run(tt.name, func(t *testing.T) {
			p, got := story(t, tt.story)
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if p.open() != tt.open {
				t.Errorf("%d open, want %d", p.open(), tt.open)
			}
		})
	}
}

// What a driver of database/sql executes by a library that is observed as well counts once, in its process.
func TestALibraryOfAGoDriverTellsNothing(t *testing.T) {
	var kind uint32
	for hash, driver := range sqlprobe.GoTypes() {
		if driver.Calls == sqlprobe.SQLite {
			kind = hash
		}
	}
	_, got := story(t, fmt.Sprintf(`
		1 gosql send goid=4 conn=9 kind=%d text=A
		1 sqlite prepare stmt=7 status=0 bytes=-1 tail=1 ns=1000 text=A
		1 sqlite ended stmt=7 status=101 ns=1000 rows=1
		2 sqlite ended stmt=7 status=101 ns=1000 rows=1
		1 gosql result goid=4`, kind))
	if want := "(prepared before attach) 1µs rows=1, A 4ms"; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
}

// Of processes that came and went nothing is kept, whatever they had begun, but that they left it open.
func TestWhatIsKeptDoesNotGrowWithProcesses(t *testing.T) {
	records := strings.Split(`libpq prepare conn=9 name=p text=P
		libpq send conn=9 text=BEGIN
		libpq result conn=9 status=1 tag=x
		libpq done conn=9
		libpq result conn=9 status=1 tag=x
		libpq done conn=9
		libpq send conn=9 text=A
		libmariadb prepare stmt=7 status=0 text=P ns=5
		libmariadb execute stmt=7 conn=9
		mariadbd prepare stmt=7 text=P
		mariadbd send command=3 text=A
		sqlite prepare stmt=7 status=0 bytes=-1 tail=1 ns=1000 text=A
		gosql send goid=4 text=A
		gosql result goid=4 rows=77
		gosql send goid=4 text=A
		pgx prepare goid=5 conn=9 name=n text=P
		pgx result goid=5
		postgres running text=A
		postgres execute portal=7 most=1
		postgres idle
		postgres running text=A
		postgres running text=A
		postgres execute portal=8 most=all`, "\n")
	const processes, openOfEach = 3000, 7
	s := NewStream(&sink{}, Options{Gone: func(int) bool { return true }})
	at := start
	for pid := 1; pid <= processes; pid++ {
		for _, line := range records {
			e := printed(line)
			e.Time, e.PID, e.TID = at, pid, pid
			s.Event(e)
			at = at.Add(time.Microsecond)
		}
	}
	if open := s.Open(); open != processes*openOfEach {
		t.Errorf("%d open", open)
	}
	for range 3 {
		at = at.Add(time.Minute)
		s.sweep(at)
	}
	if left := entries(s); left > 0 {
		t.Errorf("%d entries are kept of processes that are gone", left)
	}
	if open := s.Open(); open != processes*openOfEach {
		t.Errorf("%d open of processes that are gone", open)
	}
}

// Nor does it grow with what a process prepares.
func TestWhatIsKeptDoesNotGrowWithPreparedStatements(t *testing.T) {
	s := NewStream(&sink{}, Options{})
	for i := range keptHandles + 100 {
		for _, format := range []string{"mariadbd prepare stmt=%d text=P", "libmariadb prepare stmt=%d status=0 text=P", "sqlite prepare stmt=%d status=0 text=P",
			"pgx prepare conn=9 goid=1 name=n%d text=P", "libpq prepare conn=9 name=n%d text=P"} {
			e := printed(fmt.Sprintf(format, i+1))
			e.Time, e.PID = start.Add(time.Duration(i)), 1
			s.Event(e)
			if strings.HasPrefix(format, "libpq") {
				for _, line := range []string{"libpq result conn=9 status=1 tag=x", "libpq done conn=9"} {
					e := printed(line)
					e.Time, e.PID = start.Add(time.Duration(i+1)), 1
					s.Event(e)
				}
			}
		}
	}
	if kept := entries(s); kept > 3*keptHandles+10 {
		t.Errorf("%d handles kept", kept)
	}
	for _, names := range s.pairing.machines["libpq"].(*libpq).prepared {
		if len(names) > keptNames {
			t.Errorf("%d names kept", len(names))
		}
	}
}

// entries is how much a stream keeps of processes.
func entries(s *Stream) int {
	n := len(s.table.tx.open)
	for _, m := range s.pairing.machines {
		switch m := m.(type) {
		case *libpq:
			n += len(m.queues) + len(m.prepared)
		case *libmariadb:
			n += len(m.running) + len(m.last) + len(m.prepared) + len(m.texts)
		case *mariadbd:
			n += len(m.running) + len(m.prepared)
		case *postgres:
			n += len(m.running) + len(m.resting)
		case *sqlite:
			n += len(m.prepared)
		case *goCalls:
			n += len(m.calls) + len(m.reading) + len(m.copies) + len(m.names)
		}
	}
	return n
}

// A connection at the address of one that was closed in a transaction has none.
func TestATransactionEndsWithItsConnection(t *testing.T) {
	s := NewStream(&sink{}, Options{})
	for i, line := range strings.Split(`libpq send conn=9 text=BEGIN
		libpq result conn=9 status=1 tag=x
		libpq done conn=9
		libpq forget conn=9
		libpq send conn=9 text=COMMIT
		libpq result conn=9 status=1 tag=x
		libpq done conn=9`, "\n") {
		e := printed(line)
		e.Time, e.PID = start.Add(time.Duration(i)*time.Millisecond), 1
		s.Event(e)
	}
	if tx := s.Transactions(); len(tx) > 0 {
		t.Errorf("%+v", tx)
	}
}

// A printf that is not of a driver's script is not taken.
func TestForeignRecords(t *testing.T) {
	p := newPairing(func(*execution) { t.Error("a statement ended") })
	for _, format := range []string{"", "x", "hello %s\n", "libpq send conn=%p\n", "nodriver send conn=%p\n"} {
		if p.add(&event.Print{Format: format}) {
			t.Errorf("took %q", format)
		}
	}
}

// The same statement many times in one transaction is told, and transactions are counted with what is inside of them.
func TestTransactions(t *testing.T) {
	tb := newTable(false)
	run := func(conn uint64, text string) {
		x := &execution{conn: owner{"libpq", 1, conn}, known: true}
		x.Text, x.System, x.Time, x.Duration = text, "postgresql", start, time.Millisecond
		tb.add(x)
	}
	run(1, "BEGIN")
	run(2, "select 9")
	for i := range 5 {
		run(1, fmt.Sprintf("select %d", i))
	}
	run(1, "rollback to savepoint a")
	run(1, "COMMIT")
	run(2, "START TRANSACTION")
	run(2, "select 1")
	run(2, "ROLLBACK")
	run(1, "select 3")
	tx := tb.transactions()
	if len(tx) != 1 || tx[0].Count != 2 || tx[0].RolledBack != 1 || tx[0].Statements != 7 {
		t.Errorf("transactions: %+v", tx)
	}
	for _, q := range tb.queries() {
		if q.Digest == "SELECT ?" && (q.Count != 8 || q.Repeated != 5) {
			t.Errorf("%+v", q)
		}
	}
}
