package sqlprobe

// sqlite: a statement runs from its first step to the step that gives no row, or to reset or finalize; a step that gives a row is only
// summed up, for there may be millions. sqlite3_exec and sqlite3_get_table do the same by these functions. What SQLite asks itself
// inside of a prepare or a step (reading the schema, virtual tables) is part of that call: depth. A statement keeps its text; where, the
// code of sqlite3_sql tells; sqlite3_prepare16 and its like leave by a jump and are not seen. What was summed up for a statement that was never ended, of a process that is no more, a preparation forgets.
func sqlite() Driver {
	const step = "$stmt = arg0;\n@sqlite_ns[pid, arg0] += duration;\nif (retval == 100) {\n\t@sqlite_rows[pid, arg0] += 1;\n} else {\n\tSAYS\n" +
		"\tdelete(@sqlite_ns[pid, arg0]);\n\tdelete(@sqlite_rows[pid, arg0]);\n}"
	const left = "$stmt = arg0;\nSAYS\ndelete(@sqlite_ns[pid, arg0]);\ndelete(@sqlite_rows[pid, arg0]);"
	const forget = "SAYS\n$stmt = *(uint64*)$handle;\ndelete(@sqlite_ns[pid, $stmt]);\ndelete(@sqlite_rows[pid, $stmt]);"
	ended := func(status string) Record {
		return Record{Role: Ended, Fields: []string{"stmt=%p", "arg0", "status=%d", status, "ns=%d", "@sqlite_ns[pid, arg0]",
			"rows=%d", "@sqlite_rows[pid, arg0]", "comm=%s", "comm", "text=%s", "KEPT"}, Begins: true}
	}
	prepare := func(text string) Record {
		return Record{Role: Prepare, Fields: []string{"db=%p", "arg0", "stmt=%p", "*(uint64*)$handle", "status=%d", "retval", "bytes=%d", "arg2", "tail=%d", "$end",
			"ns=%d", "duration", "text=%s", text, "comm=%s", "comm"}}
	}
	d := Driver{Name: SQLite, System: SQLite3, Libraries: []string{"libsqlite3"}, Mark: "sqlite3_step",
		Fields: []Field{{"KEPT", "sqlite3_sql", []string{"\x48\x8b\x87"}, "$stmt != 0 ? str(*(uint64*)($stmt + %d)) : \"\"", `""`}},
		Unless: "github.com/mattn/go-sqlite3.(*SQLiteStmt).query", Probes: []Probe{
			{Function: "sqlite3_step", Return: true, If: "depth == 0", Body: step, Says: ended("retval")},
			{Function: "sqlite3_reset", If: "@sqlite_ns[pid, arg0] > 0", Body: left, Says: ended("101")},
			{Function: "sqlite3_finalize", If: "@sqlite_ns[pid, arg0] > 0", Body: left, Says: ended("101")},
		}}
	for _, p := range []struct{ function, handle, tail string }{
		{"sqlite3_prepare", "arg3", "arg4"}, {"sqlite3_prepare_v2", "arg3", "arg4"}, {"sqlite3_prepare_v3", "arg4", "arg5"},
	} {
		body := "$handle = " + p.handle + ";\n$tail = " + p.tail + ";\n$begin = arg1;\n$end = $tail != 0 ? *(uint64*)$tail - $begin : 0;\n" + forget
		d.Probes = append(d.Probes, Probe{Function: p.function, Return: true, If: "depth == 0", Body: body, Says: prepare("str($begin)"), Optional: true})
	}
	return d
}
