package engine

import "time"

// Waker ends a wait from any goroutine.
type Waker chan struct{}

// NewWaker makes one.
func NewWaker() Waker { return make(Waker, 1) }

// Wake ends the wait that goes on, or the next one.
func (w Waker) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Called reports whether Wake was called since the last wait.
func (w Waker) Called() bool {
	select {
	case <-w:
		return true
	default:
		return false
	}
}

// Wait waits as long as said, and reports whether Wake was called before that.
func (w Waker) Wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w:
		return true
	case <-timer.C:
		return false
	}
}
