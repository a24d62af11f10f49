package object

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/script"
)

// Source is a map through which programs send records.
type Source struct {
	Map string
	// Perf: a perf event array, whose records may be longer than what was sent, by less than 8 bytes.
	Perf bool
	// Aya: log lines of aya-log.
	Aya bool
	// Type is what a record holds: as the map says, or as the user named it; nil: see guess.
	Type btf.Type
}

// aya-log sends its lines through the one map, and up to release 0.2 makes them in the other.
const (
	ayaMap     = "AYA_LOGS"
	ayaScratch = "AYA_LOG_BUF"
)

// findSources lists ring buffers and perf event arrays by name.
func (o *Object) findSources() {
	for name, m := range o.Spec.Maps {
		if m.Type != ebpf.RingBuf && m.Type != ebpf.PerfEventArray {
			continue
		}
		s := Source{Map: name, Perf: m.Type == ebpf.PerfEventArray, Aya: name == ayaMap}
		// Perf event arrays are declared with int for key and value: that is the kernel's business and no record.
		if m.Value != nil && !isInt(m.Value) {
			s.Type = m.Value
		}
		if list := o.parameters(name); s.Type == nil && s.Perf && len(list) == 1 {
			s.Type = list[0]
		}
		o.Sources = append(o.Sources, s)
	}
	slices.SortFunc(o.Sources, func(a, b Source) int { return strings.Compare(a.Map, b.Map) })
}

func isInt(t btf.Type) bool {
	_, ok := btf.UnderlyingType(t).(*btf.Int)
	return ok
}

// Events says what records hold: "MAP=struct NAME", or "struct NAME" where there is one map of records. The type is one of the declarations,
// if there are any (nil: none), or of the object.
func (o *Object) Events(text string, declared Declarations) error {
	name, wanted, found := strings.Cut(text, "=")
	if !found {
		name, wanted = "", text
	}
	var maps []string
	at := -1
	for i, s := range o.Sources {
		if s.Aya {
			continue
		}
		maps = append(maps, s.Map)
		if s.Map == name || name == "" {
			at = i
		}
	}
	if at < 0 || name == "" && len(maps) != 1 {
		if name == "" {
			name = "that sends records"
		}
		return o.unknown(NoMap, "one map", name, maps)
	}
	wanted = strings.TrimSpace(wanted)
	if declared != nil {
		if c, ok := declared.TypeNamed(wanted); ok {
			if t := asBTF(c, 0); t != nil {
				o.Sources[at].Type = t
				return nil
			}
		}
	}
	t, err := o.typeNamed(wanted)
	if err != nil {
		return err
	}
	o.Sources[at].Type = t
	return nil
}

// typeNamed finds a structure by its name in the object's BTF, with or without the word struct.
func (o *Object) typeNamed(name string) (btf.Type, error) {
	bare := bareName(name)
	var found btf.Type
	var have []string
	o.types(func(t btf.Type) bool {
		switch t.(type) {
		case *btf.Struct, *btf.Union, *btf.Typedef:
			if t.TypeName() == bare {
				found = t
				return false
			}
			if name := plainName(t.TypeName()); name != "" && !strings.HasPrefix(name, "__bpf_usdt") && !strings.Contains(name, "<") {
				have = append(have, name)
			}
		}
		return true
	})
	if found == nil {
		found = o.debugType(name)
	}
	if found != nil {
		return found, nil
	}
	err := o.unknown(NoType, "type", bare, have)
	d := err.(*script.Diagnostic)
	d.Hints = append(d.Hints, "a type gets into the object's BTF when a map or a global variable has it: const struct "+bare+" *unused __attribute__((unused));",
		"or declare it in a file of C: --prototypes FILE")
	return nil, d
}

// eventWords are what authors call the structure that they send.
var eventWords = []string{"event", "evt", "data", "record", "sample", "message", "msg"}

// guess finds the one structure that is named like an event, or declared for no other purpose, and has the size of a record; nil when there is none, or more than one.
// What BTF has none of is looked for in debug information.
func (o *Object) guess(s *Source, size int) btf.Type {
	var found btf.Type
	count := 0
	// Perf pads a record so that it ends, behind its length of 4 bytes, at a multiple of 8.
	fits := func(n int) bool { return n == size || s.Perf && n < size && size-n < 8 }
	declared := o.declared()
	o.types(func(t btf.Type) bool {
		st, ok := t.(*btf.Struct)
		if !ok || !namedLikeEvent(st.Name) && !slices.Contains(declared, st.Name) {
			return true
		}
		if fits(int(st.Size)) {
			found = t
			count++
		}
		return true
	})
	switch count {
	case 0:
		return o.debugGuess(fits)
	case 1:
		return found
	}
	return nil
}

// declared are the structures to which global variables point: how authors get the types of their events into BTF.
func (o *Object) declared() []string {
	var names []string
	for _, v := range o.Spec.Variables {
		if v.Type == nil {
			continue
		}
		if p, ok := btf.UnderlyingType(v.Type.Type).(*btf.Pointer); ok {
			if st, ok := btf.UnderlyingType(p.Target).(*btf.Struct); ok && st.Name != "" {
				names = append(names, st.Name)
			}
		}
	}
	return names
}

func namedLikeEvent(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(eventWords, func(word string) bool { return strings.Contains(name, word) })
}

// bareName is a type's name without the word struct, union or enum.
func bareName(name string) string {
	for _, word := range []string{"struct ", "union ", "enum "} {
		name = strings.TrimPrefix(name, word)
	}
	return name
}
