package sonde

import (
	"fmt"
	"slices"
	"sync"
)

// news is what is to be said of files that came while a session went on.
type news struct {
	mu     sync.Mutex
	told   []string
	untold int // beyond those
	missed int // were gone when they were to be looked at
}

// keptNews is how many are told one by one.
const keptNews = 1000

func (n *news) note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) >= keptNews {
		n.untold++
		return
	}
	n.told = append(n.told, text)
}

func (n *news) missedOne() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.missed++
}

// list gives what there is to say.
func (n *news) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := slices.Clone(n.told)
	if n.untold > 0 {
		list = append(list, fmt.Sprintf("%d more such notes", n.untold))
	}
	if n.missed > 0 {
		list = append(list, fmt.Sprintf("%d programs came and went before they could be looked at", n.missed))
	}
	return list
}
