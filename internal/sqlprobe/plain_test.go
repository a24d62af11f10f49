package sqlprobe

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNumbersInATextAreOneKeyWhereTheDigestReplacesThem(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 12, a1, 3 FROM t2 WHERE x=45;": "SELECT 1, a1, 1 FROM t2 WHERE x=1;",
		"VALUES (10,20),(30,-4)":               "VALUES (10,20),(30,-4)",
		"VALUES (10,20),(30,4)":                "VALUES (1,1),(1,1)",
		"a = 1.5 AND b = 2e3 AND c = 007":      "a = 1.5 AND b = 2e3 AND c = 007",
		"LIMIT 77":                             "LIMIT 1",
		"77":                                   "1",
		`SELECT "x 12 y", 5`:                   `SELECT "x 12 y", 5`,
		"SELECT 'x 12 y', 5":                   "SELECT 'x 12 y', 5",
		"SELECT $12, 5":                        "SELECT $12, 5",
		"SELECT 5 -- 12":                       "SELECT 5 -- 12",
	} {
		if got := string(plain(nil, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestTextsOfOneKeyHaveOneDigest(t *testing.T) {
	words := strings.Fields("SELECT INSERT UPDATE a b t1 t2 FROM WHERE AND IN VALUES LIMIT INTERVAL DAY BETWEEN NULL TRUE count varchar ORDER BY 0 1.5 2e3 0x1f ? ( ( ) ) , , ; = = < >= + * - % || 'x' 12 12 12 12 345 6")
	r := rand.New(rand.NewPCG(1, 2))
	shared := 0
	for range 20_000 {
		var b, other strings.Builder
		for range 1 + r.IntN(14) {
			word := words[r.IntN(len(words))]
			space := []string{"", " "}[r.IntN(2)]
			b.WriteString(space + word)
			if word == "12" {
				word = fmt.Sprint(1 + r.IntN(100000))
			}
			other.WriteString(space + word)
		}
		if string(plain(nil, b.String())) != string(plain(nil, other.String())) {
			continue
		}
		shared++
		for _, system := range []string{PostgreSQL, MySQL, SQLite3} {
			if x, y := NewDigester().Digest(system, b.String(), false), NewDigester().Digest(system, other.String(), false); x != y {
				t.Fatalf("%s: %q has the digest %q, %q has %q", system, b.String(), x, other.String(), y)
			}
		}
	}
	if shared < 1000 {
		t.Errorf("%d texts with a key in common", shared)
	}
}
