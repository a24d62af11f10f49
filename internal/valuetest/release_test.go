package valuetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/valuetest"
)

// Before Go 1.26 nothing in a stripped program tells how many registers pass parameters: all are shown, those that do first.
func TestOlderStrippedGoShowsMoreRegisters(t *testing.T) { moreRegisters(t, "go1.21.13") }

func moreRegisters(t *testing.T, releases ...string) {
	fixture.NeedRoot(t)
	text, err := os.ReadFile(filepath.Join(fixture.Dir(), "valuetable/stripped/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	rows := valuetest.Rows(string(text))
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			calls := trace(t, fixture.Build(t, "valuetable/stripped", "GO="+release, "-ldflags=-s -w"), rows)
			for _, row := range rows {
				got, ok := next(calls, row.Function)
				end := strings.LastIndexByte(row.Text, ')')
				if args, result := row.Text[:end], row.Text[end+1:]; !ok || !strings.HasPrefix(got.text, args) || !strings.HasSuffix(got.text, result) {
					t.Errorf("%s:\n got %s\nwant %s", row.Title, got.text, row.Text)
				}
			}
		})
	}
}
