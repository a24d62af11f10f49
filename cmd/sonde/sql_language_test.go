package main

import (
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// Modules of Python, PHP and Ruby are covered by the libraries that they load.
func (s servers) languagesCountAsTheirPrograms(t *testing.T) {
	pg, my := s.pg, s.my
	postgres, lite := "host="+pg.Dir+" port="+pg.Port+" user=postgres dbname=postgres", filepath.Join(t.TempDir(), "db")
	for _, tt := range []struct{ language, program, module, database, system string }{
		{"/usr/bin/python3", "clients.py", "psycopg2", postgres, sqlprobe.PostgreSQL},
		{"/usr/bin/python3", "clients.py", "sqlite3", lite, sqlprobe.SQLite3},
		{"/usr/bin/php", "clients.php", "pgsql", postgres, sqlprobe.PostgreSQL},
		{"/usr/bin/php", "clients.php", "pdo_pgsql", postgres, sqlprobe.PostgreSQL},
		{"/usr/bin/php", "clients.php", "pdo_sqlite", lite, sqlprobe.SQLite3},
		{"/usr/bin/ruby", "clients.rb", "pg", postgres, sqlprobe.PostgreSQL},
		{"/usr/bin/ruby", "clients.rb", "mysql2", my.Socket(), sqlprobe.MySQL},
		{"/usr/bin/ruby", "clients.rb", "sqlite3", lite, sqlprobe.SQLite3},
	} {
		t.Run(tt.program+" "+tt.module, func(t *testing.T) {
			fixture.Need(t, tt.language)
			said := filepath.Join(t.TempDir(), "said")
			got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command(tt.language, filepath.Join(fixture.Dir(), "sql", tt.program), tt.module, tt.database, said))
			got.agree(t, tt.system, read(t, said))
		})
	}
}

// So are those of Node.js that are no JavaScript.
func (s servers) nodeCountsAsItsProgram(t *testing.T) {
	pg, node := s.pg, fixture.Unpacked(t, "sonde-node", "/usr/bin/node")
	dir := node.Folder(t, "node")
	postgres, said := "host=127.0.0.1 port="+pg.Port+" user=postgres dbname=postgres", filepath.Join(dir, "said")
	for _, tt := range []struct {
		module, database, system string
		server                   bool
	}{
		{"sqlite3", node.Inside(dir) + "/db", sqlprobe.SQLite3, false},
		{"libpq", postgres, sqlprobe.PostgreSQL, false},
		{"pg", postgres, sqlprobe.PostgreSQL, true},
	} {
		t.Run(tt.module, func(t *testing.T) {
			program := node.Put(t, dir, filepath.Join(fixture.Dir(), "sql/clients.js"))
			pid := 0
			if tt.server {
				pid = pg.PID
			}
			got := standIn(t, node.Command("/usr/bin/node", program, tt.module, tt.database, node.Inside(said)), sonde.SQLOptions{Server: tt.server}, pid)
			got.agree(t, tt.system, read(t, said))
		})
	}
}

// A driver that speaks the protocol by itself, as PHP's for MySQL, is seen at the server.
func (s servers) protocolsOfTheirOwnAreSeenAtTheServer(t *testing.T) {
	my := s.my
	fixture.Need(t, "/usr/bin/php")
	said := filepath.Join(t.TempDir(), "said")
	program := filepath.Join(fixture.Dir(), "sql/clients.php")
	got := sqlOf(t, sonde.SQLOptions{Server: true}, func() { my.Run(t, "/usr/bin/php", program, "mysqli", my.Socket(), said) }, sonde.PID(my.PID))
	got.agree(t, sqlprobe.MySQL, read(t, said))
}
