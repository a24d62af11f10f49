package valuetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/valuetest"
)

// section is what docs/values.md shows of a fixture: each row's first line.
func section(t *testing.T, source string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixture.Dir(), "valuetable", source))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("```\n")
	title := ""
	for _, row := range valuetest.Rows(string(text)) {
		if row.Title != title {
			title = row.Title
			b.WriteString("# " + title + "\n")
		}
		b.WriteString(row.Text + "\n")
	}
	return b.String() + "```\n"
}

func TestTheDocumentationShowsEveryRow(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "values.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, source := range []string{"c.c", "cpp.cc", "bare.cc", "rust.rs", "go/main.go", "stripped/main.go"} {
		begin, end := "<!-- "+source+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("no section of %s", source)
		}
		text = before + begin + section(t, source) + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != string(raw) {
		t.Error("docs/values.md is not what the fixtures say; run the test with -update")
	}
}
