package sqlprobe

import "fmt"

// prepares is a function that prepares: which of its parameters are where it puts the handle and the rest of the text.
type prepares struct {
	function     string
	handle, tail int
}

// sqlite: SQLite as a library or linked into a program. mattn/go-sqlite3 is seen where it is called.
func sqlite() Driver {
	d := sqliteBy("sqlite3_", 0, []prepares{{"sqlite3_prepare", 3, 4}, {"sqlite3_prepare_v2", 3, 4}, {"sqlite3_prepare_v3", 4, 5}}, "\x48\x8b\x87")
	d.Libraries, d.Unless = []string{"libsqlite3"}, "github.com/mattn/go-sqlite3.(*SQLiteStmt).query"
	return d
}

// moderncSQLite: the same functions in Go, for programs that call them by themselves. Each has the state of a thread before its parameters;
// those that prepare are inlined, but for what all of them call.
func moderncSQLite() Driver {
	const lib = "modernc.org/sqlite/lib."
	d := sqliteBy(lib+"Xsqlite3_", 1, []prepares{{lib + "_sqlite3LockAndPrepare", 5, 6}, {lib + "sqlite3LockAndPrepare", 5, 6}}, "\x48\x8b\x8b", "\x48\x8b\x83")
	d.Unless = "modernc.org/sqlite.(*Driver).Open"
	return d
}

// sqliteBy gives the driver by what the names of its functions begin with, how many parameters they have before SQLite's, and how
// sqlite3_sql reaches for the text.
//
// A statement runs from its first step to the step that gives no row, or to reset or finalize; a step that gives a row is only
// summed up, for there may be millions. sqlite3_exec and sqlite3_get_table do the same by these functions. What SQLite asks itself
// inside of a prepare or a step (reading the schema, virtual tables) is part of that call: depth. A statement keeps its text; where, the
// code of sqlite3_sql tells; sqlite3_prepare16 and its like leave by a jump and are not seen. What was summed up for a statement that was never ended, of a process that is no more, a preparation forgets.
func sqliteBy(prefix string, shift int, preparing []prepares, reachesForText ...string) Driver {
	arg := func(n int) string { return fmt.Sprintf("arg%d", n+shift) }
	ns, rows := "@sqlite_ns[pid, "+arg(0)+"]", "@sqlite_rows[pid, "+arg(0)+"]"
	step := "$stmt = " + arg(0) + ";\n" + ns + " += duration;\nif (retval == 100) {\n\t" + rows + " += 1;\n} else {\n\tSAYS\n" +
		"\tdelete(" + ns + ");\n\tdelete(" + rows + ");\n}"
	left := "$stmt = " + arg(0) + ";\nSAYS\ndelete(" + ns + ");\ndelete(" + rows + ");"
	const forget = "SAYS\n$stmt = *(uint64*)$handle;\ndelete(@sqlite_ns[pid, $stmt]);\ndelete(@sqlite_rows[pid, $stmt]);"
	ended := func(status string) Record {
		return Record{Role: Ended, Fields: []string{"stmt=%p", arg(0), "status=%d", status, "ns=%d", ns,
			"rows=%d", rows, "comm=%s", "comm", "text=%s", "KEPT"}, Begins: true}
	}
	prepare := func(text string) Record {
		return Record{Role: Prepare, Fields: []string{"db=%p", arg(0), "stmt=%p", "*(uint64*)$handle", "status=%d", "retval", "bytes=%d", arg(2), "tail=%d", "$end",
			"ns=%d", "duration", "text=%s", text, "comm=%s", "comm"}}
	}
	d := Driver{Name: SQLite, System: SQLite3, Mark: prefix + "step",
		Fields: []Field{{"KEPT", prefix + "sql", reachesForText, "$stmt != 0 ? str(*(uint64*)($stmt + %d)) : \"\"", `""`}},
		Probes: []Probe{
			{Function: prefix + "step", Return: true, If: "depth == 0", Body: step, Says: ended("retval")},
			{Function: prefix + "reset", If: ns + " > 0", Body: left, Says: ended("101")},
			{Function: prefix + "finalize", If: ns + " > 0", Body: left, Says: ended("101")},
		}}
	for _, p := range preparing {
		body := "$handle = " + arg(p.handle) + ";\n$tail = " + arg(p.tail) + ";\n$begin = " + arg(1) + ";\n$end = $tail != 0 ? *(uint64*)$tail - $begin : 0;\n" + forget
		d.Probes = append(d.Probes, Probe{Function: p.function, Return: true, If: "depth == 0", Body: body, Says: prepare("str($begin)"), Optional: true})
	}
	return d
}
