package user

import (
	"time"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Programs read the time stamp counter and turn it into the monotonic clock's time by a line that is kept straight here.
type clock struct {
	begin shm.Moment
	now   shm.Clock
	set   time.Time // when it was looked after
}

const (
	// warmUp is how far the first two moments are apart.
	warmUp = 4 * time.Millisecond
	// every is how often the clock is looked after.
	every = time.Second
	// remember is for how long the name and the user of a thread are taken from its slot.
	remember = 10 * time.Millisecond
)

// start puts the first clock in use. Where the counter does not run evenly, programs ask the kernel.
func (c *clock) start(mem []byte) error {
	if !shm.Steady() {
		return nil
	}
	var err error
	if c.begin, err = shm.Now(); err != nil {
		return err
	}
	time.Sleep(warmUp)
	later, err := shm.Now()
	if err != nil {
		return err
	}
	c.now, c.set = c.begin.Until(later), time.Now()
	shm.SetClock(mem, c.now)
	if c.now.Factor != 0 {
		shm.SetPatience(mem, uint64(remember.Nanoseconds())<<32/c.now.Factor)
	}
	return nil
}

// keep looks after the clock.
func (c *clock) keep(mem []byte) error {
	if c.now.Factor == 0 || time.Since(c.set) < every {
		return nil
	}
	now, err := shm.Now()
	if err != nil {
		return err
	}
	c.now, c.set = c.now.Steer(c.begin, now, every), time.Now()
	shm.SetClock(mem, c.now)
	return nil
}
