package sqlprobe

// libpq: PQexec and its like call the PQsend functions, and PQgetResult until it gives NULL, so that these few see every way of asking
// once. Only PQsendQuery takes several statements in one text. Whether sending succeeded is not known, for these functions leave by jumps into others. Offsets into PGresult (ntups, resultStatus, cmdStatus, errMsg) have been the same since PostgreSQL 9.
func libpq() Driver {
	sent := []string{"conn=%p", "arg0", "text=%s", "str(arg1)", "comm=%s", "comm"}
	gone := Record{Role: Forget, Fields: []string{"conn=%p", "arg0"}}
	other := Record{Role: Describe, Fields: []string{"conn=%p", "arg0"}}
	prepare := Record{Role: Prepare, Fields: []string{"conn=%p", "arg0", "name=%s", "str(arg1)", "text=%s", "str(arg2)", "comm=%s", "comm"}, Begins: true}
	execute := Record{Role: Execute, Fields: []string{"conn=%p", "arg0", "name=%s", "str(arg1)", "comm=%s", "comm"}, Begins: true}
	result := Record{Role: Result, Fields: []string{"conn=%p", "arg0", "status=%d", "*(int32*)($r + 40)", "tuples=%d", "*(int32*)$r",
		"tag=%s", "str($r + 44)", "message=%s", "*(uint64*)($r + 160) != 0 ? str(*(uint64*)($r + 160)) : \"\""}}
	d := Driver{Name: Libpq, System: PostgreSQL, Libraries: []string{"libpq"}, Mark: "PQsendQueryPrepared"}
	for _, p := range []struct {
		function string
		says     Record
	}{
		{"PQsendQuery", Record{Role: Send, Fields: append(sent[:len(sent):len(sent)], "simple=%d", "1"), Begins: true}},
		{"PQsendQueryParams", Record{Role: Send, Fields: sent, Begins: true}},
		{"PQsendQueryPrepared", execute}, {"PQsendPrepare", prepare},
		{"PQsendDescribePrepared", other}, {"PQsendDescribePortal", other},
	} {
		d.Probes = append(d.Probes, Probe{Function: p.function, Says: p.says, Optional: p.says.Role == Describe})
	}
	d.Probes = append(d.Probes,
		Probe{Function: "PQgetResult", Return: true, Body: "$r = (uint64)retval;\nif ($r != 0) {\n\tSAYS\n} else {\n\tELSE\n}",
			Says: result, Else: Record{Role: Done, Fields: []string{"conn=%p", "arg0"}}},
		Probe{Function: "PQfinish", Says: gone},
		Probe{Function: "PQreset", Says: gone},
	)
	return d
}

// postgres: a server process reports what it works on: a text while it runs, none when it waits. PortalRun tells that one of the text's
// statements is executed (a Parse or Bind alone is no call), and how many rows are asked for at most, EndCommand that it is complete, with its transaction
// when it has none around it, and how many rows it gave: its first parameter is a QueryCompletion. A portal that has more rows has given those that
// were asked for, and EndCommand is not called. A process that ends in the midst of a statement calls proc_exit, one that begins calls pgstat_bestart. After
// an error the main loop calls AbortCurrentTransaction. What a client is told of it is sent field by field: pq_sendstring(message, text), where
// the kind of message stands at 16 ('E'), and the field's ('M', or 'P': where in the text) is the last byte so far.
func postgres() Driver {
	const field = "$kind = *(uint8*)(*(uint64*)arg0 + *(uint32*)(arg0 + 8) - 1);\n"
	return Driver{Name: Postgres, System: PostgreSQL, Server: true, Programs: []string{"postgres"}, Mark: "pgstat_report_activity", Probes: []Probe{
		{Function: "pgstat_report_activity", Body: "if (arg1 != 0) {\n\tSAYS\n} else {\n\tELSE\n}",
			Says: Record{Role: Running, Fields: []string{"text=%s", "str(arg1)"}}, Else: Record{Role: Idle}},
		{Function: "PortalRun", Says: Record{Role: Execute, Fields: []string{"portal=%p", "arg0", "most=%d", "arg1"}}},
		{Function: "EndCommand", Says: Record{Role: Ran, Fields: []string{"rows=%d", "*(uint64*)(arg0 + 8)"}}},
		{Function: "pq_sendstring", If: "arg0 != 0 && 69 == *(uint32*)(arg0 + 16)", Body: field + "if ($kind == 77) {\n\tSAYS\n} else if ($kind == 80) {\n\tELSE\n}",
			Says: Record{Role: Failed, Fields: []string{"message=%s", "str(arg1)"}}, Else: Record{Role: Failed, Fields: []string{"at=%s", "str(arg1)"}}, Optional: true},
		{Function: "AbortCurrentTransaction", Says: Record{Role: Failed}},
		{Function: "proc_exit", Says: Record{Role: Closed}, Optional: true},
		{Function: "pgstat_bestart", Says: Record{Role: Forget}, Optional: true},
	}}
}
