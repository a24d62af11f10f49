package object

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// An object's BTF has the types that maps and variables have. Of what Rust sends and keeps it has none, as maps of Aya only name it:
// that, and a structure that a program of C merely sends, is in the debug information, unless that was stripped.

// debugType finds a type in debug information by its name; nil when it is not there.
func (o *Object) debugType(name string) btf.Type {
	if t, ok := o.debug.TypeNamed(name); ok {
		return asBTF(t, 0)
	}
	return nil
}

// reserved is what Aya calls the room in a ring buffer for a value of a type.
const reserved = "RingBufEntry<"

// debugGuess finds the one structure of a fitting size that is named like an event, or for which programs reserve room in a ring buffer.
func (o *Object) debugGuess(fits func(size int) bool) btf.Type {
	var named, sent []string
	o.debug.Structures(func(name string, size int64) {
		name = plainName(name)
		if _, of, ok := strings.Cut(name, reserved); ok {
			sent = append(sent, strings.TrimSuffix(of, ">"))
		}
		if fits(int(size)) && !slices.Contains(named, name) {
			named = append(named, name)
		}
	})
	var found []string
	for _, name := range named {
		generic := strings.Contains(name, "<") // wrappers of Rust: MaybeUninit<demo::Event>
		if !generic && namedLikeEvent(name[strings.LastIndexByte(name, ':')+1:]) || slices.Contains(sent, name) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return o.debugType(found[0])
}
