package sqlprobe

import (
	"crypto/sha256"
	"encoding/binary"
)

// GoType is what is known of a type of a Go driver.
type GoType struct {
	System string // of a driver.Conn
	Calls  string // of a driver.Conn: the driver whose functions it calls for its statements, "" none
	Text   string // of an error: the field of its message
	Rows   string // of a driver.Result: the field of its count of rows
}

// goTypes are types by their names as the linker has them.
func goTypes() map[string]GoType {
	return map[string]GoType{
		"*github.com/lib/pq.conn":                       {System: PostgreSQL},
		"*github.com/jackc/pgx/v5/stdlib.Conn":          {System: PostgreSQL},
		"*github.com/go-sql-driver/mysql.mysqlConn":     {System: MySQL},
		"*modernc.org/sqlite.conn":                      {System: SQLite3},
		"*github.com/mattn/go-sqlite3.SQLiteConn":       {System: SQLite3, Calls: SQLite},
		"*errors.errorString":                           {Text: "text0"},
		"*fmt.wrapError":                                {Text: "text0"},
		"*github.com/lib/pq.Error":                      {Text: "text32"},
		"*github.com/jackc/pgx/v5/pgconn.PgError":       {Text: "text48"},
		"*github.com/jackc/pgx/v5/pgconn.PrepareError":  {Text: "inner"},
		"*github.com/go-sql-driver/mysql.MySQLError":    {Text: "text8"},
		"github.com/jackc/pgx/v5.ErrPreprocessingBatch": {Text: "batch"},
		"*modernc.org/sqlite.Error":                     {Text: "text0"},
		"github.com/mattn/go-sqlite3.Error":             {Text: "text24"},
		"database/sql/driver.RowsAffected":              {Rows: "at0"},
		"*modernc.org/sqlite.result":                    {Rows: "at8"},
		"*github.com/mattn/go-sqlite3.SQLiteResult":     {Rows: "at8"},
		"*github.com/go-sql-driver/mysql.mysqlResult":   {Rows: "last"},
	}
}

// GoTypes finds types by the hash that compiled programs hold of them: the first four bytes of the name's SHA-256, of which Go has turned all
// bits, and since 1.24 those of the first byte (cmd/compile/internal/types, TypeHash).
func GoTypes() map[uint32]GoType {
	found := map[uint32]GoType{}
	for name, t := range goTypes() {
		sum := sha256.Sum256([]byte(name))
		hash := binary.LittleEndian.Uint32(sum[:])
		found[hash^0xff], found[^hash] = t, t
	}
	return found
}
