//go:build soak

package inject

import "testing"

// A thousand attachments later the program still computes what it should.
func TestSoakHotThreadsSurviveAThousandAttachments(t *testing.T) { manyAttachments(t, 1000) }

// The storm goes on for longer.
func TestSoakStormDoesNotNotice(t *testing.T) {
	for range 10 {
		TestStormDoesNotNotice(t)
	}
}

func TestSoakWhoTakesOverACommandMayDieAtEveryStep(t *testing.T) { dieTakingOver(t, 1) }
