package event

import (
	"fmt"
	"time"
)

// Arg gives the argument of this name. One that the function does not have is a Value without kind, whose accessors give
// zero values, so that a lookup can be chained: c.Arg("size").Uint64().
func (c *Call) Arg(name string) Value { return named(c.Args, name) }

// ArgAt gives the argument at a place, counted from 0; a Value without kind when there are fewer. Parameters without a name
// are found only this way.
func (c *Call) ArgAt(i int) Value {
	if i < 0 || i >= len(c.Args) {
		return Value{}
	}
	return c.Args[i].Value
}

// Field gives the member of this name: of a structure, or of what a pointer or an interface holds. A Value without kind when
// there is none.
func (v Value) Field(name string) Value { return named(v.held().Fields, name) }

// At gives the element at a place of an array or tuple, such as one of the results of a Go function; a Value without kind
// when fewer were captured.
func (v Value) At(i int) Value {
	fields := v.held().Fields
	if i < 0 || i >= len(fields) {
		return Value{}
	}
	return fields[i].Value
}

func named(fields []Field, name string) Value {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Value
		}
	}
	return Value{}
}

// held follows pointers and interfaces to the value that they hold, as far as it was captured.
func (v Value) held() Value {
	for (v.Kind == KindPointer || v.Kind == KindInterface) && v.Problem == "" && v.Elem != nil {
		v = *v.Elem
	}
	return v
}

// OK reports whether the value is there: it has a kind and no Problem. nil is there.
func (v Value) OK() bool { return v.Kind != KindNone && v.Problem == "" }

// IsNil reports whether the value is a nil, NULL or None, or a pointer of address 0. A missing value is not nil.
func (v Value) IsNil() bool {
	switch {
	case v.Problem != "":
		return false
	case v.Kind == KindPointer:
		return v.Uint == 0 && v.Elem == nil && v.Str == ""
	case v.Kind == KindInterface:
		return v.Elem == nil && v.Type == "" && v.Uint == 0
	}
	return v.Kind == KindNil
}

// Int64 gives a number: an integer of any width, a character, a boolean (0 or 1), an enumerator, flags, nanoseconds of a duration
// or time, a floating-point number without its fraction. Unsigned numbers beyond its range wrap. 0 when the value is no
// number or is missing; OK tells the difference.
func (v Value) Int64() int64 {
	if v.Problem != "" {
		return 0
	}
	switch v.Kind {
	case KindInt, KindChar, KindEnum, KindDuration, KindTime:
		return v.Int
	case KindUint, KindBool, KindFlags:
		return int64(v.Uint)
	case KindFloat:
		return int64(v.Float)
	}
	return 0
}

// Uint64 is Int64 for what is unsigned; of a pointer it gives the address.
func (v Value) Uint64() uint64 {
	if v.Kind == KindPointer && v.Problem == "" {
		return v.Uint
	}
	return uint64(v.Int64())
}

// Float64 gives a floating-point number, or an integer as one.
func (v Value) Float64() float64 {
	switch {
	case v.Problem != "":
		return 0
	case v.Kind == KindFloat:
		return v.Float
	case v.Kind == KindUint, v.Kind == KindFlags:
		return float64(v.Uint)
	}
	return float64(v.Int64())
}

// Bool reports whether a number is not 0, or a pointer not nil.
func (v Value) Bool() bool {
	if v.Kind == KindPointer {
		return v.Problem == "" && !v.IsNil()
	}
	return v.Float64() != 0
}

// Duration gives nanoseconds as a duration.
func (v Value) Duration() time.Duration { return time.Duration(v.Int64()) }

// Chars gives the characters of a text without quotes, the bytes of a buffer, the name of an enumerator, of flags or of a function,
// a network address; also through a pointer. "" when the value is none of these. It may be cut: see Truncated.
func (v Value) Chars() string {
	v = v.held()
	if v.Problem != "" {
		return ""
	}
	switch v.Kind {
	case KindString, KindBytes, KindEnum, KindFlags, KindAddress, KindPointer:
		return v.Str
	case KindChar:
		return string(rune(v.Int))
	}
	return ""
}

// Any gives the value as Go has it: int64, uint64, bool, rune, float64, string, []byte, time.Duration, time.Time; structures as
// map[string]any, arrays and tuples as []any, maps as map[any]any with the text of keys that Go cannot compare; nil for nil and for what is missing.
// Enumerators and flags are their numbers, pointers what they point at or else the address.
func (v Value) Any() any {
	if !v.OK() || v.IsNil() {
		return nil
	}
	switch v.Kind {
	case KindInt, KindEnum:
		return v.Int
	case KindUint, KindFlags:
		return v.Uint
	case KindBool:
		return v.Uint != 0
	case KindChar:
		return rune(v.Int)
	case KindFloat:
		return v.Float
	case KindString, KindAddress:
		return v.Str
	case KindBytes:
		return []byte(v.Str)
	case KindDuration:
		return time.Duration(v.Int)
	case KindTime:
		return time.Unix(0, v.Int)
	case KindStack:
		return v.Frames
	}
	return v.anyOfParts()
}

// anyOfParts is Any of the kinds that hold other values.
func (v Value) anyOfParts() any {
	switch v.Kind {
	case KindStruct:
		m := make(map[string]any, len(v.Fields))
		for i := range v.Fields {
			m[v.Fields[i].Name] = v.Fields[i].Value.Any()
		}
		return m
	case KindTuple, KindArray:
		list := make([]any, len(v.Fields))
		for i := range v.Fields {
			list[i] = v.Fields[i].Value.Any()
		}
		return list
	case KindMap:
		m := make(map[any]any, len(v.Fields))
		for i := range v.Fields {
			m[v.Fields[i].anyKey()] = v.Fields[i].Value.Any()
		}
		return m
	case KindPointer, KindInterface:
		if v.Elem != nil {
			return v.Elem.Any()
		}
		return v.Uint
	}
	return nil
}

func (f *Field) anyKey() any {
	if f.Key == nil {
		return f.Name
	}
	switch k := f.Key.Any().(type) {
	case int64, uint64, bool, rune, float64, string:
		return k
	}
	return f.Key.Text(LangC)
}

// Err says why the value is missing, nil when it is there: a *ProblemError.
func (v Value) Err() error {
	switch {
	case v.Problem != "":
		return &ProblemError{Problem: v.Problem, Address: v.Uint}
	case v.Kind == KindNone:
		return &ProblemError{Problem: "no such value"}
	}
	return nil
}

// ProblemError is a missing value as an error.
type ProblemError struct {
	Problem Problem
	Address uint64 // of what could not be read, else 0
}

// Error gives the problem, with the address where there is one.
func (e *ProblemError) Error() string {
	if e.Problem == Unreadable && e.Address != 0 {
		return fmt.Sprintf("%s at 0x%x", e.Problem, e.Address)
	}
	return string(e.Problem)
}

// String gives the value as a C literal, as fmt prints it; Text gives those of other languages.
func (v Value) String() string { return v.Text(LangC) }

// Map gives the map of a name, without its @; ok says whether the script has it.
func (s Snapshot) Map(name string) (m Map, ok bool) {
	for _, m := range s.Maps {
		if m.Name == name {
			return m, true
		}
	}
	return Map{}, false
}

// Function gives what was gathered of a probed function, in a map whose first key is the function; of several entries of one
// function (By) the first. ok says whether there is any.
func (m Map) Function(name string) (a Aggregate, ok bool) {
	for _, e := range m.Entries {
		if e.Function != nil && e.Function.Function == name {
			return e.Agg, true
		}
	}
	return Aggregate{}, false
}

// Total adds up the counts of all entries of a map that counts.
func (m Map) Total() uint64 {
	var n uint64
	for _, e := range m.Entries {
		n += e.Agg.Count
	}
	return n
}
