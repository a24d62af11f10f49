package plan

import (
	"testing"
	"time"
)

func TestTimesReadAsStrftimeWritesThem(t *testing.T) {
	at := time.Date(2026, 3, 7, 9, 5, 2, 123456789, time.UTC)
	for format, want := range map[string]string{
		"%H:%M:%S\n": "09:05:02\n", "%F %T": "2026-03-07 09:05:02", "%e %b %y, day %j": " 7 Mar 26, day 066",
		"%s.%f": "1772874302.123456", "100%%": "100%", "%q %": "%q %",
	} {
		if got := strftime(format, at); got != want {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
}
