package sqlprobe

import (
	"strings"
	"testing"
)

// What is double-quoted is no name where a value stands, unless the system says so; names stay.
func TestDoubleQuotedValuesAreNotShown(t *testing.T) {
	for _, system := range []string{OtherSQL, SQLite3, MySQL} {
		for _, text := range []string{
			`select * from t where a = "secret"`, `select * from t where a="sec""ret-secret" and b`, `insert into t(a, b) values (1, "secret")`,
			`insert into t values ("secret", 'x'), (2, "secret")`, `update t set a = "secret", b = 2`, `select * from t where a in ("secret", "secret")`,
			`select * from t where a like "%secret%"`, `select * from t where a in (1, "secret") and b > "it's secret"`, `select 1 /* "x" */ from t where a = "secret`,
			`select * from t where a between "secret" and 3`,
		} {
			d := NewDigester()
			for _, got := range []string{d.Digest(system, text, false), d.Redact(system, text)} {
				if strings.Contains(got, "secret") {
					t.Errorf("%s: %s became %s", system, text, got)
				}
			}
		}
	}
	if got := NewDigester().Redact(SQLite3, `select a from t where a = "b\\" and c = "secret"`); strings.Contains(got, "secret") {
		t.Errorf("a backslash is nothing in SQLite: %s", got)
	}
	for _, text := range []string{`SELECT "users"."id", "users"."name" FROM "users" WHERE "users"."id" = "boss"."id" AND "name" = ?`, `INSERT INTO "users" ("name", "age") VALUES (?, ?)`,
		`SELECT a FROM "t" -- "x" = "y"`, `CREATE TABLE "t" ("a" int)`,
		`SELECT a FROM t WHERE a IN (SELECT "b" FROM u) ORDER BY "c"`} {
		if got := legible(OtherSQL, text); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	if got := legible(PostgreSQL, `SELECT a = "b" FROM t`); got != `SELECT a = "b" FROM t` {
		t.Errorf("in PostgreSQL it is a name: %s", got)
	}
}

// A sign between operands is no part of a literal, any other is.
func TestSignsBetweenOperands(t *testing.T) {
	for text, want := range map[string]string{
		"update p set a=a+10, b = b -1":                "UPDATE p SET a = a + ?, b = b - ?",
		"select (a)-1, f(x)+1, a[1]-1, 'x'-1, 5-4":     "SELECT ( a ) - ?, f ( x ) + ?, a [ ? ] - ?, ? - ?, ? - ?",
		"select t.a-1, `b`-5":                          "SELECT t.a - ?, b - ?",
		"select -1, a*-1, 1e-5, 1.5E+3":                "SELECT ?, a * ?, ?, ?",
		"select a from t where a between -1 and +1":    "SELECT a FROM t WHERE a BETWEEN ? AND ?",
		"select a from t where a in (-1, -2) limit -1": "SELECT a FROM t WHERE a IN ( ? ) LIMIT ?",
		"insert into t values (-1, 'a-1'), (2, 'b')":   "INSERT INTO t VALUES ( ? )",
	} {
		if got := NewDigester().Digest(MySQL, text, false); got != want {
			t.Errorf("%s became %s, not %s", text, got, want)
		}
	}
}

// Whatever the text, the pass ends and changes nothing but quotes, and blanks behind signs.
func FuzzDoubleQuoted(f *testing.F) {
	for _, seed := range []string{`select "`, `= "a`, `values ('`, `a = "\`, "`", `/*`, `= """`} {
		f.Add(seed)
	}
	strip := func(s string) string { return strings.NewReplacer(`"`, "", "'", "", " ", "").Replace(s) }
	f.Fuzz(func(t *testing.T, text string) {
		if got := legible(OtherSQL, text); strip(got) != strip(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
