package main

import (
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// servers are those that tests share which end none; each drops its tables before it makes them.
type servers struct{ pg, my *fixture.Server }

// Statements of PostgreSQL and MariaDB, at the server and at clients.
func TestStatements(t *testing.T) {
	s := servers{fixture.Postgres(t), fixture.MariaDB(t)}
	for _, tt := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"PreparedBefore", s.preparedBefore},
		{"ALibraryThatIsBroughtAlong", s.aLibraryThatIsBroughtAlong},
		{"LibpqCountsAsItsProgram", s.libpqCountsAsItsProgram},
		{"NonBlockingLibmariadb", s.nonBlockingLibmariadb},
		{"GoDriversCountAsTheirProgram", s.goDriversCountAsTheirProgram},
		{"LanguagesCountAsTheirPrograms", s.languagesCountAsTheirPrograms},
		{"NodeCountsAsItsProgram", s.nodeCountsAsItsProgram},
		{"ProtocolsOfTheirOwnAreSeenAtTheServer", s.protocolsOfTheirOwnAreSeenAtTheServer},
		{"KilledClientOfLibmariadb", s.killedClientOfLibmariadb},
		{"MariaDBCountsAsTheServerDoes", s.mariaDBCountsAsTheServerDoes},
		{"LibmariadbCountsAsItsProgram", s.libmariadbCountsAsItsProgram},
		{"PgbenchCountsAsTheServerDoes", s.pgbenchCountsAsTheServerDoes},
		{"PostgresErrors", s.postgresErrors},
		{"SeveralStatementsInOneText", s.severalStatementsInOneText},
		{"PgbenchOfSeveralStatementsInOneText", s.pgbenchOfSeveralStatementsInOneText},
		{"SeveralStatementsInOneTextOfMariaDB", s.severalStatementsInOneTextOfMariaDB},
	} {
		t.Run(tt.name, tt.test)
	}
}
