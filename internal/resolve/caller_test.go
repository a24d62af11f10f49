package resolve_test

import "runtime"

// callerPC gives an address inside its caller.
func callerPC() uint64 {
	pc, _, _, _ := runtime.Caller(1)
	return uint64(pc)
}
