package capture

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
)

// ErrnoAt says where errno is for the functions of a C library: the place, and the address of the one instruction at which
// entries of the function are seen, by which the library's place in memory is known.
type ErrnoAt struct {
	Place symbol.ErrnoPlace
	Entry symbol.Addr
}

// Errno captures errno at the return of a call that failed. It goes with Results, into the same shape.
//
//	errno = *(int *)(thread pointer + *(long *)(address of the entry in this process + (Got - Entry)))
func Errno(sig *ctype.Signature, at ctype.Placement, where ErrnoAt, shape *plan.Shape, keep, save Keep) {
	b := newBuilder(plan.Limits{}, keep, sig)
	succeeded := b.succeeded(at)
	if succeeded == nil {
		return
	}
	thread := &plan.Value{B: plan.ThreadPointer, T: unsigned}
	address := add(thread, where.Place.Offset)
	if where.Place.Got != 0 {
		entry := &plan.Saved{Slot: save(plan.Slot{Kind: plan.SlotInt, X: &plan.Value{B: plan.PC, T: unsigned}}), T: unsigned}
		address = binary("+", thread, load(add(entry, int64(where.Place.Got-where.Entry)), 8, false))
	}
	errno := only(thread, load(address, 4, true))
	shape.ErrnoSlot = keep(plan.Slot{Kind: plan.SlotInt, X: &plan.Choose{C: succeeded, X: constant(0), Y: errno, T: signed}})
}
