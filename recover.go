package sonde

import "github.com/sonde-project/sonde/internal/engine/user"

// Recover makes a process whole that a sonde has left without taking leave (SIGKILL): what the engine inside the process overwrote is
// restored. It gives the number of regions that are gone from the process now, and of those that are still there: their sonde runs, or a thread
// is inside. A process in which no sonde was is left alone.
func Recover(pid int) (mended, left int, err error) { return user.Recover(pid) }
