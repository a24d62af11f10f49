package sqlprobe

import (
	"strings"
	"testing"
)

// A text's statements are those that a server finds in it: a semicolon parts them, but not in strings, names, comments, parentheses and bodies.
func TestTextsArePartedAsServersDo(t *testing.T) {
	tests := []struct {
		system, text string
		want         []string
	}{
		{PostgreSQL, "select 1", []string{"select 1"}},
		{PostgreSQL, "select 1;", []string{"select 1"}},
		{PostgreSQL, " ; ;; ", nil},
		{PostgreSQL, "", nil},
		{PostgreSQL, ";select 1", []string{"select 1"}},
		{PostgreSQL, "-- nothing;\n/* ; */", nil},
		{PostgreSQL, "-- nothing", nil},
		{PostgreSQL, "a;;b;\n-- c;\n;d", []string{"a", "b", "d"}},
		{PostgreSQL, "a -- ;\n, b; /* ; /* ; */ ; */ c", []string{"a -- ;\n, b", "/* ; /* ; */ ; */ c"}},
		{PostgreSQL, `select ';', 'it''s;', "a;""b"; b`, []string{`select ';', 'it''s;', "a;""b"`, "b"}},
		{PostgreSQL, `select '\'; b`, []string{`select '\'`, "b"}},
		{PostgreSQL, `select e'\';', E'\\'; b`, []string{`select e'\';', E'\\'`, "b"}},
		{PostgreSQL, `select somewhere'\'; b`, []string{`select somewhere'\'`, "b"}},
		{PostgreSQL, "do $$ begin a; end $$; b", []string{"do $$ begin a; end $$", "b"}},
		{PostgreSQL, "do $x$ a; $$ b; $x; c $x$; d$1$ ; e$1$", []string{"do $x$ a; $$ b; $x; c $x$", "d$1$", "e$1$"}},
		{PostgreSQL, "select $1; select $2", []string{"select $1", "select $2"}},
		{PostgreSQL, "create rule r as on insert to t do also (insert into u values (1); delete from v); b", []string{
			"create rule r as on insert to t do also (insert into u values (1); delete from v)", "b"}},
		{PostgreSQL, "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; begin; c; end", []string{
			"create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end", "begin", "c", "end"}},
		{PostgreSQL, "create table event (begin int); b", []string{"create table event (begin int)", "b"}},
		{PostgreSQL, "a; select 'cut;", []string{"a", "select 'cut;"}},
		{PostgreSQL, "a; select $$cut;", []string{"a", "select $$cut;"}},
		{PostgreSQL, "a; /* cut;", []string{"a"}},
		{MySQL, "select 'a\\';', \"b;\\\"\", `c;`; b # ; c\n; -- d;\n e; f --g\n; h", []string{"select 'a\\';', \"b;\\\"\", `c;`", "b # ; c", "-- d;\n e", "f --g", "h"}},
		{MySQL, "select 1 /* /* ; */; b", []string{"select 1 /* /* ; */", "b"}},
		{MySQL, "/*!40101 set a = 1 */; b", []string{"/*!40101 set a = 1 */", "b"}},
		{MySQL, "create procedure p() begin if a then b; else case c when d then e; end case; end if; while f do g; end while; end; h", []string{
			"create procedure p() begin if a then b; else case c when d then e; end case; end if; while f do g; end while; end", "h"}},
		{MySQL, "begin not atomic a; begin b; end; end; begin; c; commit", []string{"begin not atomic a; begin b; end; end", "begin", "c", "commit"}},
		{SQLite3, "create trigger t after insert on u begin select 1; end; b", []string{"create trigger t after insert on u begin select 1; end", "b"}},
	}
	for _, tt := range tests {
		var got []string
		for _, p := range Parts(tt.system, tt.text) {
			got = append(got, strings.TrimSpace(tt.text[p.From:p.To]))
		}
		if strings.Join(got, "|") != strings.Join(tt.want, "|") || len(got) != len(tt.want) {
			t.Errorf("%s: %s\n got %q\nwant %q", tt.system, tt.text, got, tt.want)
		}
	}
}

// Parts follow each other in the text, whatever it is.
func FuzzParts(f *testing.F) {
	f.Add("select $a$;$a$; b /* ; */ 'c")
	f.Fuzz(func(t *testing.T, text string) {
		for _, system := range []string{PostgreSQL, MySQL, SQLite3, OtherSQL} {
			at := 0
			for _, p := range Parts(system, text) {
				if p.From < at || p.To <= p.From || p.To > len(text) {
					t.Errorf("%q: %+v behind %d", text, p, at)
				}
				at = p.To
			}
		}
	})
}
