package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progressAfter is how long a start may take before it says what it is doing.
const progressAfter = 500 * time.Millisecond

// progress tells on standard error what a slow start is doing: one line, rewritten, on a terminal; elsewhere one line a stage.
type progress struct {
	mu    sync.Mutex
	to    *os.File
	stage string
	shown bool
	over  bool
	timer *time.Timer
}

func newProgress(to *os.File) *progress {
	p := &progress{to: to, stage: "starting"}
	p.timer = time.AfterFunc(progressAfter, p.late)
	return p
}

func (p *progress) late() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.shown { // over: the timer ran out while done stopped it
		return
	}
	p.shown = true
	p.write()
}

// say notes the stage.
func (p *progress) say(stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = stage
	if p.shown {
		p.write()
	}
}

func (p *progress) write() {
	if term.IsTerminal(int(p.to.Fd())) {
		fmt.Fprintf(p.to, "\r\x1b[Ksonde: %s ...", p.stage)
		return
	}
	fmt.Fprintf(p.to, "sonde: %s ...\n", p.stage)
}

// done takes the line away.
func (p *progress) done() {
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && term.IsTerminal(int(p.to.Fd())) {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
	p.shown, p.over = false, true
}
