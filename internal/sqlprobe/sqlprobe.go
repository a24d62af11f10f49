// Package sqlprobe knows which functions carry SQL, driver by driver and server by server, and what a statement's digest is.
//
// In: nothing but names: which object holds which functions. Out: a script in sonde's language whose printf records tell the life of
// statements, and the shape of those records, so that package sqlstat reads what this package wrote. Invariant: one record is one fact
// (sent, result, done, ...); nothing is paired here. It must not attach, nor know ELF or processes.
package sqlprobe

// Names of drivers: the first word of their records.
const (
	Libpq      = "libpq"
	Postgres   = "postgres"
	Libmariadb = "libmariadb"
	Mariadbd   = "mariadbd"
	SQLite     = "sqlite"
	GoSQL      = "gosql"
	Pgx        = "pgx"
)

// Systems, in OpenTelemetry's words (db.system.name).
const (
	PostgreSQL = "postgresql"
	MySQL      = "mysql"
	SQLite3    = "sqlite"
	OtherSQL   = "other_sql"
)

// Driver is a library, a package or a server through which statements go.
type Driver struct {
	Name   string
	System string
	Server bool
	// Libraries are the names of shared objects that hold the driver.
	Libraries []string
	// Programs are the names of servers.
	Programs []string
	// Mark is a function that tells that an object holds the driver, whatever the object is called.
	Mark string
	// Unless is a function of another driver that uses this one: an object that holds it is observed there. "" none.
	Unless string
	Fields []Field
	Probes []Probe
}

// Field is a value in a structure whose layout differs from version to version: the code of a small function tells where it stands.
type Field struct {
	Name      string // as it stands in probes
	Function  string
	Opcodes   []string // one of these stands before the offset, whose length its last byte tells
	Value     string   // what reads it, "%d" being the offset
	Otherwise string   // what stands for it when the function cannot be read; "": then the object is left out
}

// Probe is one function and what its record says.
type Probe struct {
	Function string
	Return   bool   // uretprobe
	If       string // predicate, "" none
	// Body are the statements; SAYS and ELSE stand for the records. Without SAYS the record comes last.
	Body       string
	Says, Else Record
	// Optional functions are not in every version; an object without another function of its driver is left out.
	Optional bool
}

// Drivers lists all drivers, clients first.
func Drivers() []Driver {
	return []Driver{libpq(), libmariadb(), libmysqlclient(), sqlite(), moderncSQLite(), goSQL(), pgx(), postgres(), mariadbd(), mysqld()}
}

// systemOf is the database system of a driver. It makes the whole list: it is not for every record.
func systemOf(driver string) string {
	for _, d := range Drivers() {
		if d.Name == driver {
			return d.System
		}
	}
	return OtherSQL
}
