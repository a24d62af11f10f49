package sqlprobe

// mysqlPlaces are expressions for what MYSQL ($m) and MYSQL_STMT ($m) hold: rows are those changed, stored are those given and fetched.
// Status are the flags that came with the last answer, fields the columns of its rows.
type mysqlPlaces struct {
	errno, message, rows, stmtConn, stmtMessage, stmtRows, stmtStored, status, fields string
}

// libmariadb: offsets are those of MYSQL and MYSQL_STMT in the public headers of MariaDB Connector/C 3.
func libmariadb() Driver {
	d := Driver{Name: Libmariadb, System: MySQL, Libraries: []string{"libmariadb"}, Mark: "mariadb_stmt_execute_direct"}
	d.Probes = mysqlClient(mysqlPlaces{errno: "*(uint32*)($m + 144)", message: "str($m + 151)", rows: "*(int64*)($m + 824)",
		stmtConn: "*(uint64*)($m + 56)", stmtMessage: "str($m + 268)", stmtRows: "*(int64*)($m + 248)", stmtStored: "*(int64*)($m + 200)",
		status: "*(uint32*)($m + 896)", fields: "*(uint32*)($m + 892)"})
	return d
}

// libmysqlclient: the same functions around other structures, which differ from version to version; its small functions tell where things
// stand in them.
func libmysqlclient() Driver {
	const load, loadNear, address, addressNear, isNullNear = "\x48\x8b\x87", "\x48\x8b\x47", "\x48\x8d\x87", "\x48\x8d\x47", "\x48\x83\x7f"
	d := Driver{Name: Libmariadb, System: MySQL, Libraries: []string{"libmysqlclient"}, Mark: "mysql_real_query_nonblocking", Fields: []Field{
		{Name: "ERRNO", Function: "mysql_errno", Opcodes: []string{"\x8b\x87"}, Value: "*(uint32*)($m + %d)"},
		{Name: "MESSAGE", Function: "mysql_error", Opcodes: []string{address, addressNear}, Value: "str($m + %d)"},
		{Name: "STMT_TOLD", Function: "mysql_stmt_error", Opcodes: []string{address, addressNear}, Value: "str($m + %d)"},
		{Name: "CHANGED", Function: "mysql_affected_rows", Opcodes: []string{load}, Value: "*(int64*)($m + %d)"},
		{Name: "STMT_ROWS", Function: "mysql_stmt_affected_rows", Opcodes: []string{load, loadNear}, Value: "*(int64*)($m + %d)"},
		{Name: "STMT_STORED", Function: "mysql_stmt_num_rows", Opcodes: []string{load, loadNear}, Value: "*(int64*)($m + %d)", Otherwise: "-1"},
		{Name: "FLAGS", Function: "mysql_more_results", Opcodes: []string{"\x8b\x87"}, Value: "*(uint32*)($m + %d)", Otherwise: "0"},
		{Name: "COLUMNS", Function: "mysql_field_count", Opcodes: []string{"\x8b\x87"}, Value: "*(uint32*)($m + %d)", Otherwise: "0"},
		{Name: "STMT_CONN", Function: "mysql_stmt_reset", Opcodes: []string{isNullNear, loadNear}, Value: "*(uint64*)($m + %d)", Otherwise: "0"},
	}}
	at := mysqlPlaces{"ERRNO", "MESSAGE", "CHANGED", "STMT_CONN", "STMT_TOLD", "STMT_ROWS", "STMT_STORED", "FLAGS", "COLUMNS"}
	d.Probes = append(mysqlClient(at), at.ofMySQL()...)
	return d
}

const mysqlPending = "@mysql_pending[pid, arg0]"

func mysqlSend(inner string) Record {
	return Record{Role: Send, Fields: []string{"conn=%p", "arg0", "text=%s", "str(arg1, arg2)", "inner=%d", inner, "sp=%p", "sp", "comm=%s", "comm"}, Begins: true}
}

func (at mysqlPlaces) done() Record {
	return Record{Role: Done, Fields: []string{"conn=%p", "$m", "status=%d", at.errno, "rows=%d", at.rows, "fields=%d", at.fields, "message=%s", at.errno + " != 0 ? " + at.message + " : \"\""}}
}

// next is the outcome of the next statement of a text, or another one of the same, which is asked for when the last answer said that there is more
// (SERVER_MORE_RESULTS_EXISTS). Waits is what pending is until something asks what came of it.
func (at mysqlPlaces) next(asked, waits string) Probe {
	more := Record{Role: Next, Fields: []string{"conn=%p", "$m", "comm=%s", "comm"}, Begins: true}
	return Probe{Body: "$m = arg0;\nif (" + asked + ") {\n\tSAYS\n\tdelete(" + mysqlPending + ");\n}\n" +
		"if (" + mysqlPending + " == 0 && (" + at.status + " & 8) != 0) {\n\t" + mysqlPending + " = " + waits + ";\n\tELSE\n}",
		Says: at.done(), Else: more, Optional: true}
}

// mysqlClient: mysql_query calls mysql_real_query, which leaves by a jump through a pointer, so that its return cannot be seen safely: a
// statement has ended when the program first asks what came of it, or for its rows, or begins the next one.
func mysqlClient(at mysqlPlaces) []Probe {
	stmtMessage := "retval != 0 ? " + at.stmtMessage + " : \"\""
	gone := Record{Role: Forget, Fields: []string{"conn=%p", "arg0"}}
	probes := []Probe{
		{Function: "mysql_real_query", Body: "$m = arg0;\nif (" + mysqlPending + " != 0) {\n\t" + at.done().statement(Libmariadb, false) + "\n}\n" + mysqlPending + " = 1;", Says: mysqlSend("0")},
		{Function: "mysql_send_query", Body: mysqlPending + " = 1;", Says: mysqlSend("1")},
		{Function: "mysql_close", Body: "$m = arg0;\nif (" + mysqlPending + " != 0) {\n\tSAYS\n\tdelete(" + mysqlPending + ");\n}\n" + gone.statement(Libmariadb, false), Says: at.done()},
	}
	for _, asks := range []string{"mysql_store_result", "mysql_use_result", "mysql_errno", "mysql_error", "mysql_sqlstate", "mysql_affected_rows",
		"mysql_field_count", "mysql_insert_id", "mysql_warning_count", "mysql_info", "mysql_more_results", "mysql_stmt_init",
		"mysql_store_result_nonblocking", "mysql_ping", "mysql_select_db", "mysql_change_user", "mysql_reset_connection"} {
		probes = append(probes, Probe{Function: asks, If: mysqlPending + " != 0", Body: "$m = arg0;\nSAYS\ndelete(" + mysqlPending + ");", Says: at.done(), Optional: true})
	}
	stored := func(rows string) Record {
		return Record{Role: Result, Fields: []string{"conn=%p", "arg0", "rows=%d", rows}}
	}
	return append(probes,
		at.next(mysqlPending+" != 0", "1").of("mysql_next_result"),
		Probe{Function: "mysql_store_result", Return: true, If: "retval != 0", Says: stored("*(int64*)((uint64)retval)")},
		Probe{Function: "mysql_store_result_nonblocking", Return: true, If: "(uint32)retval == 0", Body: "$place = arg1;\n$given = *(uint64*)$place;\nif ($given != 0) {\n\tSAYS\n}",
			Says: stored("*(int64*)$given"), Optional: true},
		Probe{Function: "mysql_stmt_prepare", Return: true, Body: "$m = arg0;", Says: Record{Role: Prepare, Fields: []string{"stmt=%p", "arg0", "status=%d", "retval",
			"text=%s", "str(arg1, arg2)", "ns=%d", "duration", "message=%s", stmtMessage, "comm=%s", "comm"}}},
		Probe{Function: "mysql_stmt_execute", Body: "$m = arg0;", Says: Record{Role: Execute, Fields: []string{"stmt=%p", "arg0", "conn=%p", at.stmtConn, "comm=%s", "comm"}, Begins: true}},
		Probe{Function: "mysql_stmt_execute", Return: true, Body: "$m = arg0;", Says: Record{Role: Ended, Fields: []string{"stmt=%p", "arg0", "status=%d", "retval",
			"rows=%d", at.stmtRows, "message=%s", stmtMessage}}},
		Probe{Function: "mysql_stmt_store_result", Return: true, If: "retval == 0", Body: "$m = arg0;", Says: Record{Role: Result, Fields: []string{"stmt=%p", "arg0",
			"conn=%p", at.stmtConn, "rows=%d", at.stmtStored}}, Optional: true},
		Probe{Function: "mysql_stmt_close", Says: Record{Role: Forget, Fields: []string{"stmt=%p", "arg0"}}},
	)
}

// ofMySQL are probes at MySQL's own library: its mysql_real_query can be seen to return, and functions that do not block are called again
// and again until they give something else than NET_ASYNC_NOT_READY (1).
func (at mysqlPlaces) ofMySQL() []Probe {
	const begun, ready = "@mysql_begun[pid, arg0]", "(uint32)retval != 1"
	begins := Probe{If: begun + " == 0", Body: begun + " = 1;", Says: mysqlSend("0"), Optional: true}
	answered := Probe{Return: true, If: ready, Body: "$m = arg0;\ndelete(" + begun + ");", Says: at.done(), Optional: true}
	sent := Probe{Return: true, If: ready, Body: mysqlPending + " = 1;\ndelete(" + begun + ");", Optional: true}
	next := at.next(mysqlPending+" == 1 || "+mysqlPending+" == 2 && "+at.rows+" != -1", "2") // until it is there no rows are changed
	returned := Probe{Return: true, Body: "$m = arg0;\nSAYS\ndelete(" + mysqlPending + ");", Says: at.done()}
	return []Probe{returned.of("mysql_real_query"), begins.of("mysql_real_query_nonblocking"), answered.of("mysql_real_query_nonblocking"),
		begins.of("mysql_send_query_nonblocking"), sent.of("mysql_send_query_nonblocking"),
		next.of("mysql_next_result_nonblocking"), {Function: "mysql_close", Body: "delete(" + begun + ");"}}
}

// of gives the probe at a function.
func (p Probe) of(function string) Probe {
	p.Function = function
	return p
}

// mariadbd: dispatch_command(command, THD*, packet, length, ...). In a pool of threads it may return DISPATCH_COMMAND_WOULDBLOCK (2) while the log
// is written, and is called again for the same command, on any thread. Rows that were changed are told when the client is; those that were given
// THD counts, for each statement of a text anew: mysql_parse is called for each, with what is left of the text. The text of a statement that was prepared before stands in the general log's call, made whether there is a log or not.
func mariadbd() Driver {
	const dispatch = "_Z16dispatch_command19enum_server_commandP3THDPcj*"
	const chosen = "arg0 == 3 || arg0 == 22 || arg0 == 23 || arg0 == 250"
	return Driver{Name: Mariadbd, System: MySQL, Server: true, Programs: []string{"mariadbd", "mysqld"}, Mark: dispatch,
		Fields: sentRows(), Probes: append([]Probe{
			{Function: dispatch, If: chosen, Says: Record{Role: Send, Fields: []string{"command=%d", "arg0", "thd=%p", "arg1", "text=%s", `arg0 == 3 || arg0 == 22 ? str(arg2, arg3) : ""`}}},
			{Function: dispatch, Return: true, If: chosen, Body: "$thd = arg1;", Says: Record{Role: Done, Fields: []string{"command=%d", "arg0", "thd=%p", "$thd", "later=%d", "(uint8)retval == 2", "sent=%d", "SENT"}}},
			{Function: "_Z11mysql_parseP3THDPcjP12Parser_state*", Body: "$thd = arg0;", Says: Record{Role: Next, Fields: []string{"left=%d", "(uint32)arg2", "sent=%d", "SENT"}}, Optional: true},
			{Function: "_ZN8Protocol21net_send_error_packetEP3THDjPKcS3_", Says: Record{Role: Failed, Fields: []string{"message=%s", "str(arg3)"}}, Optional: true},
			{Function: "_ZN8Protocol11net_send_okEP3THDjjyyPKcb", If: "0 == *(uint8*)(sp + 16)", Says: Record{Role: Ran, Fields: []string{"rows=%d", "arg4"}}, Optional: true},
			{Function: "_Z17general_log_writeP3THD19enum_server_commandPKc*", If: "arg1 == 23", Says: Record{Role: Prepared, Fields: []string{"text=%s", "str(arg2, arg3)"}}, Optional: true},
		}, handles("_ZN18Prepared_statement7prepareEPKcj", "_ZN18Prepared_statement12execute_loopEP6StringbPhS2_", "str(arg1, arg2)")...)}
}

// mysqld: MySQL's dispatch_command(THD*, const COM_DATA*, command), where COM_QUERY's data begins with the text and its length. What its
// client is told, and rows, as in mariadbd.
func mysqld() Driver {
	const dispatch = "_Z16dispatch_commandP3THDPK8COM_DATA19enum_server_command"
	const chosen = "arg2 == 3 || arg2 == 22 || arg2 == 23"
	return Driver{Name: Mariadbd, System: MySQL, Server: true, Programs: []string{"mysqld"}, Mark: dispatch, Fields: sentRows(), Probes: append([]Probe{
		{Function: dispatch, If: chosen, Says: Record{Role: Send, Fields: []string{"command=%d", "arg2", "comm=%s", `"mysqld"`, "text=%s",
			`arg2 == 3 || arg2 == 22 ? str(*(uint64*)arg1, *(uint32*)(arg1 + 8)) : ""`}}},
		{Function: dispatch, Return: true, If: chosen, Body: "$thd = arg0;", Says: Record{Role: Done, Fields: []string{"command=%d", "arg2", "sent=%d", "SENT"}}},
		{Function: "_Z20dispatch_sql_commandP3THDP12Parser_state*", Body: "$thd = arg0;", Says: Record{Role: Next, Fields: []string{"sent=%d", "SENT"}}, Optional: true},
		{Function: "_ZN16Protocol_classic10send_errorEjPKcS1_", Says: Record{Role: Failed, Fields: []string{"message=%s", "str(arg2)"}}, Optional: true},
		{Function: "_ZN16Protocol_classic7send_okEjjyyPKc", Says: Record{Role: Ran, Fields: []string{"rows=%d", "arg3"}}, Optional: true},
		{Function: "_ZN12Query_logger17general_log_writeEP3THD19enum_server_commandPKcm", If: "arg2 == 23", Says: Record{Role: Prepared, Fields: []string{"text=%s", "str(arg3, arg4)"}}, Optional: true},
	}, handles("_ZN18Prepared_statement7prepareEP3THDPKcm*", "_ZN18Prepared_statement12execute_loopEP3THDP6Stringb*", "str(arg2, arg3)")...)}
}

// sentRows is where THD counts the rows that were given: THD::inc_sent_row_count adds to them (add x(%rdi),%rsi or add %rsi,x(%rdi)).
func sentRows() []Field {
	return []Field{{"SENT", "_ZN3THD18inc_sent_row_countEy", []string{"\x48\x03\xb7", "\x48\x01\xb7"}, "*(int64*)($thd + %d)", "-1"}}
}

// handles are the server's prepared statements, known by their objects.
func handles(prepare, execute, text string) []Probe {
	return []Probe{
		{Function: prepare, Says: Record{Role: Prepare, Fields: []string{"stmt=%p", "arg0", "text=%s", text}}, Optional: true},
		{Function: execute, Says: Record{Role: Execute, Fields: []string{"stmt=%p", "arg0"}}, Optional: true},
	}
}
