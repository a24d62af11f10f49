package interp

import (
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// What the kernel keeps of calls that it is to see return, told from the same hits: no engine that runs here can ask it.

// instances is how many calls of one thread the kernel can see return at a time. Source: MAX_URETPROBE_DEPTH, include/linux/uprobes.h.
const instances = 64

// replaced are the calls of a thread whose return addresses the kernel has replaced, by the stack pointers that they were entered with.
type replaced []uint64

// unseen reports whether the kernel has no room to see the call that begins return. It forgets those below first, which were left another
// way, unless it has no room (prepare_uretprobe, kernel/events/uprobes.c). A second probe of one function, or a function that another
// jumps to, counts as the same call.
func (x *thread) unseen() bool {
	if !x.m.onTrampolines[x.probe][x.Site.Body] {
		return false
	}
	who := owner{tgid: x.PID, tid: x.TID}
	list := x.m.replaced[who]
	if len(list) >= instances {
		return true
	}
	for len(list) > 0 && list[len(list)-1] <= x.SP {
		list = list[:len(list)-1]
	}
	x.m.replaced[who] = append(list, x.SP)
	return false
}

// seen takes out the call that the kernel saw return, and those below it.
func (x *thread) seen() {
	who := owner{tgid: x.PID, tid: x.TID}
	list := x.m.replaced[who]
	for len(list) > 0 && list[len(list)-1] <= x.SP {
		list = list[:len(list)-1]
	}
	if len(list) == 0 {
		delete(x.m.replaced, who)
	} else {
		x.m.replaced[who] = list
	}
}

// trampolinesOnly reports whether the returns of a body are seen by the kernel's trampoline alone.
func trampolinesOnly(p *plan.Probe, body int) bool {
	some := false
	for i := range p.Sites {
		if s := &p.Sites[i]; s.Body == body && s.Role != site.Entry {
			if s.Role != site.Trampoline {
				return false
			}
			some = true
		}
	}
	return some
}
