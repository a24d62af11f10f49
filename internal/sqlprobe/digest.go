package sqlprobe

import (
	"regexp"
	"strings"

	"github.com/DataDog/go-sqllexer"
)

// Digester turns statements into digests. It is not safe for use from several goroutines.
type Digester struct {
	obfuscator *sqllexer.Obfuscator
	normalizer *sqllexer.Normalizer
	known      map[string]string // by plain
	key        []byte
}

// NewDigester makes one.
func NewDigester() *Digester {
	return &Digester{
		obfuscator: sqllexer.NewObfuscator(sqllexer.WithReplacePositionalParameter(true), sqllexer.WithReplaceBindParameter(true),
			sqllexer.WithReplaceBoolean(true), sqllexer.WithReplaceNull(true)),
		normalizer: sqllexer.NewNormalizer(sqllexer.WithUppercaseKeywords(true)),
		known:      map[string]string{},
	}
}

// keptDigests bounds how many digests are remembered; programs that write literals into their texts have no end of them.
const keptDigests = 4096

// Digest is the statement with literals and parameters replaced by ?, lists and the rows of VALUES collapsed, comments dropped, keywords
// in capitals. Of a statement that was cut it is the digest of what is there, and ends with "...".
func (d *Digester) Digest(system, text string, cut bool) string {
	d.key = plain(append(append(d.key[:0], system...), 0), text)
	digest, ok := d.known[string(d.key)]
	if !ok {
		digest = d.digest(system, text)
		if len(d.known) >= keptDigests {
			clear(d.known)
		}
		d.known[string(d.key)] = digest
	}
	if cut {
		return digest + " ..."
	}
	return digest
}

func (d *Digester) digest(system, text string) string {
	text = legible(system, text)
	digest, _, err := sqllexer.ObfuscateAndNormalize(text, d.obfuscator, d.normalizer, sqllexer.WithDBMS(dialect(system)))
	if err != nil {
		return d.Redact(system, text)
	}
	return collapse(strings.TrimSpace(digest))
}

// Redact is the statement as it was written, with literals replaced.
func (d *Digester) Redact(system, text string) string {
	return strings.TrimSpace(d.obfuscator.Obfuscate(legible(system, text), sqllexer.WithDBMS(dialect(system))))
}

func dialect(system string) sqllexer.DBMSType {
	switch system {
	case MySQL:
		return sqllexer.DBMSMySQL
	case PostgreSQL:
		return sqllexer.DBMSPostgres
	}
	return ""
}

// collapse leaves one row of a VALUES list: what follows it is another statement only by its number of rows.
func collapse(digest string) string {
	at := strings.Index(digest, "VALUES (")
	if at < 0 {
		return digest
	}
	at += len("VALUES ")
	row := closing(digest[at:])
	rest := digest[at+row:]
	for strings.HasPrefix(rest, ", (") {
		next := closing(rest[2:])
		cut := next == len(rest)-2 && !strings.HasSuffix(rest, ")")
		if !cut && rest[2:2+next] != digest[at:at+row] {
			break
		}
		rest = rest[2+next:]
	}
	return digest[:at+row] + rest
}

// closing is the length of the parenthesis that the text begins with; all of it when it was cut.
func closing(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// quoted are literals and names in messages of databases.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|=\([^)]*\)`)

// Message is the first line of an error's message; redacted, what is quoted in it is replaced, for databases quote values.
func Message(text string, redact bool) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	for _, severity := range []string{"ERROR:", "FATAL:", "PANIC:"} {
		text = strings.TrimSpace(strings.TrimPrefix(text, severity))
	}
	if redact {
		text = quoted.ReplaceAllString(text, "?")
	}
	return text
}
