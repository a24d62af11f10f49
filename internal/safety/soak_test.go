//go:build soak

package safety

import "testing"

// The programs with more functions than every test run has time for do not notice either.
func TestSoakProgramsDoNotNotice(t *testing.T) {
	for _, p := range programs {
		if p.long {
			t.Run(p.name, p.unnoticed)
		}
	}
}
