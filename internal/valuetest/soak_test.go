//go:build soak

package valuetest_test

import "testing"

// Values of programs that older releases of Go made.
func TestSoakEveryReleaseOfGoPrintsAsTheSourceSays(t *testing.T) {
	table(t, "go/main.go", []build{
		{"go1.22", []string{"GO=go1.22.12"}},
		{"go1.23", []string{"GO=go1.23.12"}},
		{"go1.24", []string{"GO=go1.24.13"}},
		{"go1.25", []string{"GO=go1.25.5"}},
	})
	moreRegisters(t, "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.5")
}
