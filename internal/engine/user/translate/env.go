package translate

import (
	"errors"
	"fmt"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Env is what code finds in the process.
type Env struct {
	Base   uint64 // address of the code
	Data   uint64 // address of the shared memory
	Layout *shm.Layout
	// Routines are those that the process has for the layout.
	Routines *shm.Routines
	// RSeq is where the thread's rseq area has cpu_id, relative to the FS base; 0: it has none.
	RSeq int32
	// Gated: programs are called by gates, which give the slot's address in R12, and have stored in it who the thread is where that matters (Uses.Thread).
	Gated bool
}

func (e *Env) mapOf(in *inst) (*shm.Map, error) {
	if e.Layout != nil {
		if m := e.Layout.Map(in.ref); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no map %q", in.ref)
}

// mapAddress is what a 64-bit load of a map, or of the address of an array's value, gives.
func (e *Env) mapAddress(in *inst) (uint64, error) {
	m, err := e.mapOf(in)
	if err != nil {
		return 0, err
	}
	if in.src == wideMap {
		return e.Data + uint64(m.Off), nil
	}
	offset := in.wide >> 32
	if m.Kind != shm.Array || offset >= uint64(m.Value) {
		return 0, errors.New("the address of a value that is not there")
	}
	return e.Data + uint64(m.Data) + offset, nil
}
