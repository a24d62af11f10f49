//go:build soak

package hybrid_test

import "testing"

// A thousand attachments later the program still computes what it should.
func TestSoakProbesComeAndGoAThousandTimes(t *testing.T) { manyTimes(t, 1000) }

// The storm goes on for longer.
func TestSoakStormDoesNotNotice(t *testing.T) {
	for range 10 {
		TestAStormDoesNotNotice(t)
	}
}
