package sqlprobe

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/script"
)

// Every driver's probes are a script that parses, and its records read back as they were written.
func TestDriversAreScripts(t *testing.T) {
	for _, d := range Drivers() {
		for _, stack := range []bool{false, true} {
			found := Found{Driver: d, Target: "/bin/app", Code: func(string) []byte { return []byte("\x48\x8b\x87\x00\x01\x00\x00\x48\x8d\x87\x00\x02\x00\x00") }}
			text := Script([]Found{found}, stack)
			if text == "" {
				t.Errorf("%s: no script", d.Name)
			}
			if _, err := script.Parse(text); err != nil {
				t.Errorf("%s: %v\n%s", d.Name, err, text)
			}
		}
		for _, p := range d.Probes {
			if p.Says.Role == "" && p.Body != "" {
				continue
			}
			if p.Says.Role == "" {
				t.Errorf("%s:%s says nothing", d.Name, p.Function)
				continue
			}
			format, _, _ := strings.Cut(strings.TrimPrefix(p.Says.statement(d.Name, false), `printf("`), `\n`)
			shape, ok := ShapeOf(format)
			if !ok || shape.Driver != d.Name || shape.Role != p.Says.Role || 2*len(shape.Fields) != len(p.Says.Fields) {
				t.Errorf("%s:%s: %q reads as %+v, %v", d.Name, p.Function, format, shape, ok)
			}
		}
	}
}

// What an object lacks is left out where it may be missing, and leaves the object out where it may not.
func TestScriptFitsTheObject(t *testing.T) {
	lacks := func(names ...string) func(string) bool {
		return func(f string) bool {
			for _, n := range names {
				if n == f {
					return false
				}
			}
			return true
		}
	}
	if text := Script([]Found{{Driver: sqlite(), Target: "libsqlite3", Has: lacks("sqlite3_prepare_v3")}}, false); strings.Contains(text, "prepare_v3") || !strings.Contains(text, "prepare_v2") {
		t.Errorf("without prepare_v3:\n%s", text)
	}
	if text := Script([]Found{{Driver: sqlite(), Target: "libsqlite3", Has: lacks("sqlite3_step")}}, false); text != "" {
		t.Errorf("without step:\n%s", text)
	}
}

// Where a structure has its fields is read from code, and what cannot be read is left out.
func TestFieldsStandWhereTheCodeSays(t *testing.T) {
	for code, want := range map[string]string{
		"\x48\x85\xff\x74\x0b\x48\x8b\x87\xf8\x00\x00\x00\xc3": "$stmt + 248",
		"\xf3\x0f\x1e\xfa\x48\x8b\x87\x18\x01\x00\x00\xc3":     "$stmt + 280",
		"\x48\x8b\x87\xf8\x00\x00\xff\xc3":                     `comm=%s text=%s\n", arg0, retval, @sqlite_ns[pid, arg0], @sqlite_rows[pid, arg0], comm, "")`,
		"\xc3":                                                 `comm, "")`,
	} {
		text := Script([]Found{{Driver: sqlite(), Target: "libsqlite3", Code: func(string) []byte { return []byte(code) }}}, false)
		if !strings.Contains(text, want) || strings.Contains(text, "KEPT") {
			t.Errorf("% x: no %s in\n%s", code, want, text)
		}
	}
}

// A digest is what statements have in common that differ in their values only.
func TestDigests(t *testing.T) {
	tests := []struct{ system, text, want string }{
		{PostgreSQL, "select * from t where a in (1,2,3) and b = $1 /* hi */ -- there", "SELECT * FROM t WHERE a IN ( ? ) AND b = ?"},
		{PostgreSQL, "insert into t(a,b) values (1,'x'),\n (2,'y'), (3,'z')", "INSERT INTO t ( a, b ) VALUES ( ? )"},
		{PostgreSQL, "insert into t values ($1,$2),($3,$4) returning id", "INSERT INTO t VALUES ( ? ) RETURNING id"},
		{PostgreSQL, "insert into t values (1, now(), 2), (2, now(), 3) on conflict do nothing", "INSERT INTO t VALUES ( ?, now ( ), ? ) ON conflict do nothing"},
		{PostgreSQL, "insert into t values (1, now()), (2, f(3))", "INSERT INTO t VALUES ( ?, now ( ) ), ( ?, f ( ? ) )"},
		{PostgreSQL, "UPDATE a SET b = b + -123 WHERE c = 5;", "UPDATE a SET b = b + ? WHERE c = ?"},
		{MySQL, "select a.`b` from `t` where x = 'trunca", "SELECT a.b FROM t WHERE x = ?"},
		{SQLite3, "PRAGMA foreign_keys=1", "PRAGMA foreign_keys = ?"},
		{SQLite3, "BEGIN", "BEGIN"},
		{OtherSQL, "", ""},
	}
	d := NewDigester()
	for _, tt := range tests {
		for range 2 { // the second one is remembered
			if got := d.Digest(tt.system, tt.text, false); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
			}
		}
	}
	if got := d.Digest(PostgreSQL, "select * from t where a = 'abc", true); got != "SELECT * FROM t WHERE a = ? ..." {
		t.Errorf("cut: %s", got)
	}
}

// No value of a statement gets through redaction, whatever the text is.
func FuzzRedact(f *testing.F) {
	f.Add("select 'a''b', 12, x'ff'")
	f.Add("insert into t values ((((")
	d := NewDigester()
	f.Fuzz(func(t *testing.T, text string) {
		d.Digest(MySQL, text, false)
		d.Redact(PostgreSQL, text)
		if got := d.Redact(PostgreSQL, "select 'secret' from t where "+text); strings.Contains(got, "'secret'") {
			t.Errorf("%q: %s", text, got)
		}
	})
}

// Messages of databases quote values: they are replaced.
func TestMessages(t *testing.T) {
	for text, want := range map[string]string{
		"ERROR:  invalid input syntax for type integer: \"secret\"\nLINE 1: select": "invalid input syntax for type integer: ?",
		"Duplicate entry 'secret' for key 'PRIMARY'":                                "Duplicate entry ? for key ?",
		"Key (id)=(5) already exists.":                                              "Key (id)? already exists.",
	} {
		if got := Message(text, true); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	if got := Message("ERROR:  no \"x\"", false); got != `no "x"` {
		t.Errorf("shown: %q", got)
	}
}
