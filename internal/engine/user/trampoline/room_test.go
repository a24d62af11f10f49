package trampoline

import (
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// A gate that gives all that there is fits into the room that is reckoned with, with what aligns it.
func TestAGateFitsIntoItsRoom(t *testing.T) {
	const line = 64
	for _, golang := range []bool{false, true} {
		for _, p := range []Process{{TID: 0x2d0}, {GoTID: -72}, {}} {
			for _, decides := range []bool{false, true} {
				p.Private, p.Slots, p.Nested, p.Full, p.FSBase, p.Children = 1<<46, SlotsFor(1000), 1<<46, 1<<46, true, true
				wants := All()
				wants.Decides = decides
				c := &x86.Code{}
				Gate(c, p, golang, wants)
				code, err := c.Assemble(1 << 40)
				if err != nil || len(code) > GateRoom-line {
					t.Errorf("go=%v decides=%v %+v: %d bytes, %v", golang, decides, p, len(code), err)
				}
			}
		}
	}
}
