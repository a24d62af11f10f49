package sonde

import "sync"

// flag is raised once, for all who wait for it.
type flag struct {
	once sync.Once
	up   chan struct{}
}

func newFlag() *flag { return &flag{up: make(chan struct{})} }

func (f *flag) raise() { f.once.Do(func() { close(f.up) }) }

func (f *flag) isUp() bool {
	select {
	case <-f.up:
		return true
	default:
		return false
	}
}
