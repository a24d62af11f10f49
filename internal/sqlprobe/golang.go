package sqlprobe

import (
	"fmt"
	"slices"
	"strings"
)

// goCall is a Go function that takes a statement.
type goCall struct {
	function string
	role     string   // Send, or Prepare: counted only if it fails
	begins   []string // fields at the entry beside goid and comm
	ends     []string // fields at the return
	err      goValue  // its error at the return
	also     string   // statements at a return without error
}

// goValue is an interface: where its table and its pointer stand. 16 bytes into the table is the hash of its type, see GoType.
type goValue struct{ table, data string }

func (v goValue) hash() string { return "*(uint32*)(" + v.table + " + 16)" }

// word is the 8 bytes at an address.
func word(at string) string { return "*(uint64*)(" + at + ")" }

// goSQL: database/sql, whatever its driver. queryDC and its like are given the connection (*driverConn, whose driver.Conn stands at 40).
// A *sql.Stmt begins with its DB and its text, so that prepared statements show theirs also when they were prepared long ago. A Tx has
// its connection at 32.
func goSQL() Driver {
	onConn := func(dc, text string) []string {
		return []string{"conn=%p", dc, "kind=%d", goValue{table: word(dc + " + 40")}.hash(), "text=%s", text}
	}
	kept := []string{"text=%s", `str(*(uint64*)(reg("ax") + 8), *(uint64*)(reg("ax") + 16))`}
	rows := []string{"rows=%p", `reg("ax")`}
	first, second, third := goValue{`reg("ax")`, `reg("bx")`}, goValue{`reg("bx")`, `reg("cx")`}, goValue{`reg("cx")`, `reg("di")`}
	const opened = "\t" + goNexts + "reg(\"ax\")] = 0;\n"
	d := Driver{Name: GoSQL, System: OtherSQL, Mark: "database/sql.(*DB).queryDC"}
	for _, c := range []goCall{
		{"queryDC", Send, onConn(`reg("r8")`, `str(reg("r10"), reg("r11"))`), rows, second, opened},
		{"execDC", Send, onConn(`reg("di")`, `str(reg("r8"), reg("r9"))`), goResult(), third, ""},
		{"prepareDC", Prepare, onConn(`reg("di")`, `str(reg("r10"), reg("r11"))`), nil, second, ""},
		{"beginDC", Send, onConn(`reg("di")`, `"BEGIN"`), nil, second, ""},
	} {
		c.function = "database/sql.(*DB)." + c.function
		d.Probes = append(d.Probes, c.probes(GoSQL)...)
	}
	for _, c := range []goCall{
		{"(*Stmt).QueryContext", Send, kept, rows, second, opened},
		{"(*Stmt).ExecContext", Send, append(kept, "stmt=%p", `reg("ax")`, "args=%d", `reg("si")`), goResult(), third, ""},
		{"(*Tx).Commit", Send, onConn(word(`reg("ax") + 32`), `"COMMIT"`), nil, first, ""},
		{"(*Tx).rollback", Send, onConn(word(`reg("ax") + 32`), `"ROLLBACK"`), nil, first, ""},
	} {
		c.function = "database/sql." + c.function
		d.Probes = append(d.Probes, c.probes(GoSQL)...)
	}
	prepared := Record{Role: Prepared, Fields: []string{"goid=%d", "goid", "conn=%p", word(`reg("si") + 8`), "kind=%d", goValue{table: `reg("cx")`}.hash()}}
	for _, function := range []string{"rowsiFromStatement", "resultFromStatement"} {
		d.Probes = append(d.Probes, Probe{Function: "database/sql." + function, Says: prepared, Optional: true})
	}
	d.Probes = append(d.Probes, goRows()...)
	return d
}

// goResult tells of a Result, which is a driverResult: the connection (two words), and the driver's result. Where that one has its count of
// rows depends on its type: at 0, at 8, or last in the slice at 0.
func goResult() []string {
	resi := goValue{word(`reg("bx") + 16`), word(`reg("bx") + 24`)}
	return []string{"result=%d", resi.hash(), "at0=%d", word(resi.data), "at8=%d", word(resi.data + " + 8"),
		"last=%d", ofType(resi.hash(), func(t GoType) bool { return t.Rows == "last" }) + " ? " + word(word(resi.data)+" + 8 * "+word(resi.data+" + 8")+" - 8") + " : 0"}
}

const goNexts = "@go_nexts[pid, "

// goRows: the calls of Next are summed up, for there may be millions, and of those that gave no row it is known that an error is kept
// then: io.EOF behind the last row. It stands at 80 in Rows, until Go 1.24 at 88 behind a bool. What close is given is an error when a
// context has ended.
func goRows() []Probe {
	const kept = "$rows = reg(\"ax\");\n$at = *(uint64*)($rows + 80) > 1 ? 80 : 88;\n$error = *(uint64*)($rows + $at);\n"
	const notEOF = "(*(uint64*)($data + 8) != 3 || *(uint16*)(*(uint64*)$data) != 0x4f45)" // no string of three bytes that begins with "EO"
	fields := []string{"rows=%p", "$rows", "nexts=%d", goNexts + "$rows]", "ends=%d", "$error != 0 ? 1 : 0"}
	return []Probe{
		{Function: "database/sql.(*Rows).Next", Body: kept + "if ($error == 0) {\n\t" + goNexts + "$rows] += 1;\n}", Optional: true},
		{Function: "database/sql.(*Rows).NextResultSet", Body: kept + "if ($error != 0) {\n\t" + goNexts + "$rows] -= 1;\n}", Optional: true},
		{Function: "database/sql.(*Rows).close", Optional: true,
			Body: kept + "$table = $error != 0 ? $error : reg(\"bx\");\n$data = $error != 0 ? *(uint64*)($rows + $at + 8) : reg(\"cx\");\n" +
				"if ($table != 0 && " + notEOF + ") {\n\tSAYS\n} else {\n\tELSE\n}\ndelete(" + goNexts + "$rows]);",
			Says: Record{Role: Closed, Fields: append(fields[:len(fields):len(fields)], goError(goValue{"$table", "$data"})...)},
			Else: Record{Role: Closed, Fields: fields}},
	}
}

// goError are the fields of an error: its type, and its text where that type has it: at a place in it, or, "inner", in that of the error that
// it begins with.
func goError(err goValue) []string {
	around := ofType(err.hash(), func(t GoType) bool { return t.Text == "inner" })
	inner := "(" + around + " ? " + word(err.data+" + 8") + " : " + err.data + ")"
	fields := []string{"error=%p", err.table, "type=%d", err.hash()}
	for _, place := range []struct{ field, at string }{
		{"text0", err.data}, {"text8", err.data + " + 8"}, {"text24", err.data + " + 24"}, {"text32", err.data + " + 32"}, {"text48", err.data + " + 48"},
		{"inner", inner + " + 48"},
	} {
		is := ofType(err.hash(), func(t GoType) bool { return t.Text == place.field })
		fields = append(fields, place.field+"=%s", "str("+word(place.at)+", "+is+" ? "+word(place.at+" + 8")+" : 0)")
	}
	return fields
}

// ofType is the condition that a hash is one of some types'.
func ofType(hash string, wanted func(GoType) bool) string {
	var conditions []string
	for known, t := range GoTypes() {
		if wanted(t) {
			conditions = append(conditions, fmt.Sprintf("%s == %d", hash, known))
		}
	}
	slices.Sort(conditions)
	return strings.Join(conditions, " || ")
}

func (c goCall) probes(driver string) []Probe {
	begins := Record{Role: c.role, Fields: append([]string{"goid=%d", "goid", "comm=%s", "comm"}, c.begins...), Begins: c.role == Send}
	ends := append([]string{"goid=%d", "goid"}, c.ends...)
	return []Probe{
		{Function: c.function, Says: begins, Optional: true},
		{Function: c.function, Return: true, Optional: true, Body: "if (" + c.err.table + " != 0) {\n\tSAYS\n} else {\n\tELSE\n" + c.also + "}",
			Says: Record{Role: Result, Fields: append(ends[:2:2], goError(c.err)...)}, Else: Record{Role: Result, Fields: ends}},
	}
}

// pgx: Query, Exec and the results of batches, COPY; the text is mostly the second parameter behind the context. A CommandTag is a string,
// errors are *pgconn.PgError mostly.
func pgx() Driver {
	const pkg = "github.com/jackc/pgx/v5"
	conn := []string{"conn=%p", `reg("ax")`}
	text := append(conn[:2:2], "text=%s", `str(reg("di"), reg("si"))`)
	tag := []string{"tag=%s", `str(reg("ax"), reg("bx"))`}
	rows := []string{"rows=%p", `reg("bx")`}
	err := goValue{`reg("cx")`, `reg("di")`}
	d := Driver{Name: Pgx, System: PostgreSQL, Mark: pkg + ".(*Conn).Query"}
	for _, c := range []goCall{
		{".(*Conn).Query", Send, text, rows, err, ""},
		{".(*Conn).Exec", Send, text, tag, err, ""},
		{".(*Conn).Prepare", Prepare, append(conn[:2:2], "name=%s", `str(reg("di"), reg("si"))`, "text=%s", `str(reg("r8"), reg("r9"))`), nil, goValue{`reg("bx")`, `reg("cx")`}, ""},
		{"/pgconn.(*PgConn).CopyFrom", Send, append(conn[:2:2], "text=%s", `str(reg("r8"), reg("r9"))`), tag, err, ""},
		{"/pgconn.(*PgConn).CopyTo", Send, append(conn[:2:2], "text=%s", `str(reg("r8"), reg("r9"))`), tag, err, ""},
	} {
		c.function = pkg + c.function
		d.Probes = append(d.Probes, c.probes(Pgx)...)
	}
	for _, b := range []struct{ results, err, batch, next string }{{"(*batchResults)", "32", "48", "56"}, {"(*pipelineBatchResults)", "40", "56", "64"}} {
		// The next of the queued queries, whose text comes first in it; none where the batch has failed before.
		queued := word(word(word(`reg("ax") + `+b.batch)) + " + 8 * " + word(`reg("ax") + `+b.next))
		begins := []string{"conn=%p", word(`reg("ax") + 16`), "text=%s", "str(" + word(queued) + ", " + word(queued+" + 8") + ")", "before=%p", word(`reg("ax") + ` + b.err)}
		d.Probes = append(d.Probes, goCall{pkg + "." + b.results + ".Exec", Send, begins, tag, err, ""}.probes(Pgx)...)
		d.Probes = append(d.Probes, goCall{pkg + "." + b.results + ".Query", Send, begins, rows, err, ""}.probes(Pgx)...)
	}
	d.Probes = append(append(d.Probes, pgxRows(pkg)...), pgxPreparing(pkg)...)
	d.Probes = append(d.Probes, Probe{Function: pkg + ".(*Conn).Close", Says: Record{Role: Forget, Fields: conn}, Optional: true})
	return d
}

// pgxPreparing: a batch prepares its statements before it is sent. Where that fails, the results hold (at 40) an ErrPreprocessingBatch with the text (at 16)
// of one statement and the error (at 32), and nothing was executed.
func pgxPreparing(pkg string) []Probe {
	const function = ".(*Conn).sendBatchExtendedWithDescription"
	failed := ofType("*(uint32*)($table + 16)", func(t GoType) bool { return t.Text == "batch" })
	return []Probe{
		{Function: pkg + function, Says: Record{Role: Prepare, Fields: []string{"goid=%d", "goid", "comm=%s", "comm", "conn=%p", `reg("ax")`}}, Optional: true},
		{Function: pkg + function, Return: true, Optional: true,
			Body: "$table = " + word(`reg("ax") + 40`) + ";\n$batch = " + word(`reg("ax") + 48`) + ";\nif ($table != 0 && (" + failed + ")) {\n\t" +
				"$table = " + word("$batch + 32") + ";\n\t$data = " + word("$batch + 40") + ";\n\tSAYS\n} else {\n\tELSE\n}",
			Says: Record{Role: Result, Fields: append([]string{"goid=%d", "goid", "text=%s", "str(" + word("$batch + 16") + ", " + word("$batch + 24") + ")"},
				goError(goValue{"$table", "$data"})...)},
			Else: Record{Role: Result, Fields: []string{"goid=%d", "goid"}}},
	}
}

// pgxRows: what came of rows (CommandTag at 40, error at 56) is known when their Close returns; it is called again without effect.
func pgxRows(pkg string) []Probe {
	const closing = "@pgx_closing[pid, goid]"
	fields := []string{"rows=%p", "$rows", "tag=%s", "str(*(uint64*)($rows + 40), *(uint64*)($rows + 48))"}
	return []Probe{
		{Function: pkg + ".(*baseRows).Close", If: `0 == *(uint8*)(reg("ax") + 72)`, Body: closing + ` = reg("ax");`},
		{Function: pkg + ".(*baseRows).Close", Return: true, If: closing + " != 0",
			Body: "$rows = " + closing + ";\n$table = *(uint64*)($rows + 56);\n$data = *(uint64*)($rows + 64);\n" +
				"if ($table != 0) {\n\tSAYS\n} else {\n\tELSE\n}\ndelete(" + closing + ");",
			Says: Record{Role: Closed, Fields: append(fields[:len(fields):len(fields)], goError(goValue{"$table", "$data"})...)},
			Else: Record{Role: Closed, Fields: fields}},
	}
}
