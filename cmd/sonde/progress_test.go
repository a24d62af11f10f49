package main

import (
	"io"
	"os"
	"testing"
)

// A start that is slow before its first stage says that it starts.
func TestASlowStartAlwaysSaysWhatItDoes(t *testing.T) {
	read, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(written)
	p.late()
	p.say("reading symbols")
	p.done()
	p.late() // the timer ran out meanwhile
	p.say("loading")
	written.Close()
	if got, err := io.ReadAll(read); err != nil || string(got) != "sonde: starting ...\nsonde: reading symbols ...\n" {
		t.Errorf("%q, %v", got, err)
	}
}
