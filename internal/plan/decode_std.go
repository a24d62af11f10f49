package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// Types of the standard libraries whose bytes tell all there is to show, but not in the words of their members.

// isRustBox reports Box<T>, which debug information has as a pointer and Rust shows as what is in it.
func isRustBox(t *ctype.Type) bool {
	return t.Lang == event.LangRust && strings.HasPrefix(t.Name, "alloc::boxed::Box<")
}

// wrapped gives the one member that a type of a standard library consists of for its author, nil for any other type.
func wrapped(t *ctype.Type) *ctype.Field {
	if !transparent(t) {
		return nil
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Type.Sizeof() > 0 && f.BitSize == 0 {
			return f
		}
	}
	return nil
}

// transparent recognises atomics, cells, std::array, durations and the like by name.
func transparent(t *ctype.Type) bool {
	name := t.Name
	if at := strings.IndexByte(name, '<'); at >= 0 {
		name = name[:at]
	}
	base := shortName(name)
	switch {
	case t.Lang == event.LangCPP && strings.HasPrefix(name, "std::"):
		switch base {
		case "array", "atomic", "__atomic_base", "__atomic_float", "__cxx_atomic_impl", "__cxx_atomic_base_impl", "duration", "time_point", "reference_wrapper":
			return true
		}
	case t.Lang == event.LangRust && strings.HasPrefix(name, "core::"):
		switch base {
		case "Cell", "UnsafeCell", "ManuallyDrop", "Wrapping", "NonNull", "Unique", "Pin", "NonZero", "NonZeroInner", "Atomic":
			return true
		}
		return strings.HasPrefix(base, "Atomic") || strings.HasPrefix(base, "NonZero")
	}
	return false
}

// named reports whether a pointer to a member function is the address of one: of a virtual function it is an odd number, the place in the
// table of these, and what is added to this says which base class is meant. Source: Itanium C++ ABI, section 2.3.
func named(b *block, off int64) bool {
	code, problem := b.word(off, 8)
	adjust, missing := b.word(off+8, 8)
	return problem == "" && missing == "" && code&1 == 0 && adjust == 0
}

// rustDuration reads core::time::Duration {secs u64, nanos u32 in a wrapper}.
func rustDuration(t *ctype.Type, b *block, off int64) (event.Value, bool) {
	v := event.Value{Kind: event.KindDuration, Size: 8}
	for i := range t.Fields {
		f := &t.Fields[i]
		word, problem := b.word(off+f.Offset, f.Type.Sizeof())
		switch {
		case problem != "":
			return b.missing(problem, off), true
		case f.Name == "secs" && word < math.MaxInt64/uint64(time.Second):
			v.Int += int64(word) * int64(time.Second)
		case f.Name == "nanos":
			v.Int += int64(word)
		default:
			return v, false
		}
	}
	return v, len(t.Fields) == 2
}

// inUnit gives what std::chrono::duration and time_point hold its unit.
func inUnit(t *ctype.Type, v event.Value) event.Value {
	if t.Lang != event.LangCPP {
		return v
	}
	switch name := shortName(t.Name); {
	case name == "duration" && v.Kind == event.KindInt:
		if ns, ok := nanoseconds(v.Int, t.Name); ok {
			v.Kind, v.Int = event.KindDuration, ns
		}
	case name == "time_point" && v.Kind == event.KindDuration && strings.Contains(t.Name, "system_clock"):
		v.Kind = event.KindTime
	}
	return v
}

// nanoseconds counts in the unit that a type's name ends with: "std::ratio<1, 1000>".
func nanoseconds(n int64, name string) (int64, bool) {
	_, ratio, _ := strings.Cut(name, "ratio<")
	var num, den int64
	read, err := fmt.Sscanf(strings.NewReplacer("l", "", "L", "", " ", "").Replace(ratio), "%d,%d>", &num, &den)
	second := int64(time.Second)
	if read != 2 || err != nil || num <= 0 || den <= 0 || second%den != 0 || num > math.MaxInt64/second {
		return 0, false
	}
	factor := num * (second / den)
	return n * factor, n <= math.MaxInt64/factor && n >= math.MinInt64/factor
}

// stdTuple turns a std::tuple into its elements. libstdc++ keeps each in a member of a base class, the last one first.
func stdTuple(v *event.Value, t *ctype.Type) {
	if !strings.HasPrefix(t.Name, "std::") || shortName(t.Name) != "tuple" {
		return
	}
	if len(v.Fields) == 1 && v.Fields[0].Name == "__base_" {
		v.Fields = v.Fields[0].Value.Fields
	}
	last := len(v.Fields) > 0 && v.Fields[0].Name == "_M_head_impl"
	for i := range v.Fields {
		v.Fields[i].Name = ""
	}
	if last {
		slices.Reverse(v.Fields)
	}
	v.Kind, v.Len = event.KindArray, uint64(len(v.Fields))
}
