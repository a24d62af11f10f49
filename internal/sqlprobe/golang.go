package sqlprobe

// goCall is a Go function that takes a statement: where its text is at the entry, where its rows and its error are at the return. A
// function without rows has ended when it returns.
type goCall struct{ function, text, rows, err string }

// goSQL: database/sql, whatever its driver. A *sql.Stmt begins with its DB and its text, so that prepared statements show theirs also
// when they were prepared long ago.
func goSQL() Driver {
	const kept = `str(*(uint64*)(reg("ax") + 8), *(uint64*)(reg("ax") + 16))`
	return Driver{Name: GoSQL, System: OtherSQL, Mark: "database/sql.(*DB).queryDC", Probes: goCalls([]goCall{
		{"database/sql.(*DB).queryDC", `str(reg("r10"), reg("r11"))`, `reg("ax")`, `reg("bx")`},
		{"database/sql.(*DB).execDC", `str(reg("r8"), reg("r9"))`, "", `reg("cx")`},
		{"database/sql.(*Stmt).QueryContext", kept, `reg("ax")`, `reg("bx")`},
		{"database/sql.(*Stmt).ExecContext", kept, "", `reg("cx")`},
	}, "database/sql.(*Rows).close")}
}

func goCalls(calls []goCall, closes string) []Probe {
	var probes []Probe
	for _, c := range calls {
		rows, err := "0", "0"
		if c.rows != "" {
			rows = c.rows
		}
		if c.err != "" {
			err = c.err
		}
		probes = append(probes,
			Probe{Function: c.function, Says: Record{Role: Send, Fields: []string{"goid=%d", "goid", "text=%s", c.text, "comm=%s", "comm"}, Begins: true}, Optional: true},
			Probe{Function: c.function, Return: true, Says: Record{Role: Result, Fields: []string{"goid=%d", "goid", "rows=%p", rows, "error=%p", err}}, Optional: true})
	}
	return append(probes, Probe{Function: closes, Says: Record{Role: Closed, Fields: []string{"rows=%p", `reg("ax")`}}, Optional: true})
}
