package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// What a killed query or connection of MariaDB worked on has failed; what a killed client began goes on to its end; what a killed
// server worked on stays open, and lends its beginning to nothing of the server that comes up again, which is observed as well.
func TestMariaDBDeaths(t *testing.T) {
	my := fixture.MariaDB(t)
	const query, connection = "select sleep(1000) from seq_1_to_3", "select sleep(1000) from seq_1_to_4"
	const abandoned, crashed = "select sleep(0.5) from seq_1_to_2", "select sleep(1000)"
	seen := observed(t, sonde.SQLOptions{Server: true}, func() {
		for _, kill := range []struct{ text, how string }{{query, "kill query"}, {connection, "kill"}} {
			client := mariadb(t, my, kill.text)
			ask(t, my, fmt.Sprintf("%s %d", kill.how, running(t, my, kill.text)))
			client.Wait()
		}
		client := mariadb(t, my, abandoned)
		running(t, my, abandoned)
		client.Process.Kill()
		client.Wait()
		for ask(t, my, "select count(*) from information_schema.processlist where info = \""+abandoned+"\"") != "0\n" {
			time.Sleep(50 * time.Millisecond)
		}
		client = mariadb(t, my, crashed)
		running(t, my, crashed)
		my.Crash()
		client.Wait()
		my.Restart(t)
		ask(t, my, "select 'up again' from seq_1_to_5")
	})
	got := seen.queries
	got.check(t, "SELECT sleep ( ? ) FROM seq_1_to_2", expect{1, 2, 0})
	got.check(t, "SELECT sleep ( ? ) FROM seq_1_to_3", expect{1, 0, 1})
	got.check(t, "SELECT sleep ( ? ) FROM seq_1_to_4", expect{1, 0, 1})
	got.check(t, "SELECT ? FROM seq_1_to_5", expect{1, 5, 0})
	if q := got["SELECT sleep ( ? )"]; q != nil || seen.open == 0 {
		t.Errorf("of the killed server: %+v, %d open", q, seen.open)
	}
}

// A client of MariaDB that is killed in the midst of a statement leaves it open, and lends its beginning to nothing.
func (s servers) killedClientOfLibmariadb(t *testing.T) {
	my := s.my
	dir, program := t.TempDir(), mariaProgram(t)
	seen := observed(t, sonde.SQLOptions{}, nil, sonde.Command("sh", "-c", `exec 2>/dev/null; "$0" "$1" 0 "$2/killed" die; exec "$0" "$1" 5 "$2/said"`, program, my.Socket(), dir))
	seen.agree(t, "mysql", asItComes(read(t, filepath.Join(dir, "said")), 5))
	if q := seen.queries["SELECT sleep ( ? )"]; q != nil || seen.open != 1 {
		t.Errorf("of the killed client: %+v, %d open", q, seen.open)
	}
}

// A command that waits in a pool of threads, and goes on on another one, counts once.
func TestMariaDBsPoolOfThreads(t *testing.T) {
	my := fixture.MariaDB(t, "--thread-handling=pool-of-threads")
	const clients, each = 6, 40
	ask(t, my, "create table pool (a int)")
	insert := fmt.Sprintf("for i in $(seq %d); do echo 'insert into pool values (1);'; done | mariadb --no-defaults -S %s d", each, my.Socket())
	got := sqlOf(t, sonde.SQLOptions{Server: true}, func() {
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				if out, err := exec.Command("sh", "-c", insert).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		all.Wait()
	}, sonde.PID(my.PID))
	got.check(t, "INSERT INTO pool VALUES ( ? )", expect{clients * each, clients * each, 0})
}

// mariadb starts a client.
func mariadb(t *testing.T, my *fixture.Server, text string) *exec.Cmd {
	t.Helper()
	c := exec.Command("mariadb", "--no-defaults", "-S", my.Socket(), "d", "-e", text)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask runs a client to its end.
func ask(t *testing.T, my *fixture.Server, text string) string {
	t.Helper()
	return my.Run(t, "mariadb", "--no-defaults", "-NS", my.Socket(), "d", "-e", text)
}

// running waits until the server works on a text, and gives the connection.
func running(t *testing.T, my *fixture.Server, text string) (id int) {
	t.Helper()
	for id == 0 {
		fmt.Sscan(ask(t, my, "select id from information_schema.processlist where state = 'User sleep' and info = \""+text+"\""), &id)
	}
	return id
}
