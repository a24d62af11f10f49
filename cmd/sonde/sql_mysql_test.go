package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// MySQL is in no package here: stand-ins have its names and parameters. Its server's dispatch_command takes other parameters than MariaDB's,
// and is told apart by them.
func TestMySQLsServer(t *testing.T) {
	fixture.NeedRoot(t)
	got := standIn(t, exec.Command(fixture.Build(t, "sql/mysqld.cc")), sonde.SQLOptions{}, 0)
	got.check(t, "SELECT a FROM t WHERE b = ?", expect{7, -1, 0})
	got.check(t, "SELECT p FROM t WHERE a = ?", expect{7, -1, 0})
	got.check(t, "SELECT nope", expect{1, 0, 1})
	if q := got["SELECT nope"]; q != nil && q.Error != "Unknown column ? in ?" {
		t.Errorf("%q", q.Error)
	}
	if len(got) != 3 {
		t.Errorf("seen\n%s", got)
	}
}

// What MySQL's client library keeps where is read from its code.
func TestMySQLsClient(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	library := filepath.Join(dir, "libmysqlclient.so.21")
	text, err := os.ReadFile(fixture.Build(t, "sql/libmysqlclient.c", "-shared", "-fPIC", "-Wl,-soname,libmysqlclient.so.21"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, text, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "client")
	source := filepath.Join(fixture.Dir(), "sql/mysqlclient.c")
	if out, err := exec.Command("gcc", "-O2", "-o", program, source, library, "-Wl,-rpath,"+dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := standIn(t, exec.Command(program), sonde.SQLOptions{}, 0)
	got.check(t, "UPDATE t SET a = ?", expect{9, 27, 0})
	got.check(t, "INSERT INTO t VALUES ( ? )", expect{5, 10, 0})
	got.check(t, "SELECT nope", expect{1, 0, 1})
	got.check(t, "SELECT nada", expect{1, 0, 1})
	if q := got["SELECT nope"]; q != nil && q.Error != "Unknown column ? in ?" {
		t.Errorf("%q", q.Error)
	}
}
