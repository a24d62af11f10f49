package kernel

import (
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// UprobeLink is a uprobe that somebody on this machine has armed with eBPF.
type UprobeLink struct {
	Program string // name in the kernel
	ID      uint32 // of the program
	File    string // "" where the kernel does not tell
	Sites   int
	Ours    bool // a sonde did it
}

// UprobeLinks lists what is armed now, by whomever. It needs CAP_SYS_ADMIN; without it the list is empty. Links that come or go
// meanwhile may be missing.
func UprobeLinks() []UprobeLink {
	var list []UprobeLink
	for id, more := nextLink(0); more; id, more = nextLink(id) {
		if l, ok := uprobeLink(id); ok {
			list = append(list, l)
		}
	}
	return list
}

func nextLink(id uint32) (uint32, bool) {
	attr := struct{ id, next, flags uint32 }{id: id}
	_, err := bpf(unix.BPF_LINK_GET_NEXT_ID, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return attr.next, err == nil
}

func uprobeLink(id uint32) (UprobeLink, bool) {
	l, err := link.NewFromID(link.ID(id))
	if err != nil {
		return UprobeLink{}, false
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return UprobeLink{}, false
	}
	found := UprobeLink{ID: uint32(info.Program), Sites: 1}
	switch {
	case info.UprobeMulti() != nil:
		found.File, found.Sites = info.UprobeMulti().File, int(info.UprobeMulti().Count)
	case info.PerfEvent() != nil && info.PerfEvent().Uprobe() != nil:
		found.File = info.PerfEvent().Uprobe().File
	default:
		return UprobeLink{}, false
	}
	found.Program = programName(info.Program)
	found.Ours = len(found.Program) >= len(namePrefix) && found.Program[:len(namePrefix)] == namePrefix
	return found, true
}

func programName(id ebpf.ProgramID) string {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}
