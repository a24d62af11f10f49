package event

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// The JSON form of a Value:
//
//	number            a number; beyond 2^53 either way a string in hexadecimal
//	character         a string of one character
//	text, bytes       a string; {"bytes":"hexadecimal"} when it is not UTF-8
//	cut text          {"cut":"...","len":300}: its beginning, and its length where that is known
//	guessed text      {"guess":"..."}: no type says that it is text
//	pointer           what it points at when that was captured, else "0x..." or the function's name; null
//	enum, flags       the name, or the number when it has none
//	struct            an object; array and tuple: an array, {"error":"..."} as last element of what was cut
//	C++ object        an object; "dynamic" is its class, where that is not the declared one
//	Rust variant      as serde has it: "Unit", {"Variant": data}; None is null and Some(x) is x
//	map               an object by the text of its keys; {"len":3} when the pairs were not captured
//	interface         {"type":"...","value":...}
//	stack             an array of function names
//	duration, time    nanoseconds; a string as RFC 3339 has it
//	a guess           {"guess": the value}
//	missing           {"error":"unreadable","address":"0x..."}, {"error":"unavailable"}, ...

// MarshalJSON gives the JSON form.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// AppendJSON appends the JSON form to b.
func (v *Value) AppendJSON(b []byte) []byte {
	if v.Problem != "" {
		return v.appendProblemJSON(b)
	}
	if v.Guess {
		sure := *v
		sure.Guess = false
		return append(sure.AppendJSON(append(b, `{"guess":`...)), '}')
	}
	switch v.Kind {
	case KindInt:
		return appendIntJSON(b, v.Int)
	case KindUint:
		return appendUintJSON(b, v.Uint)
	case KindBool:
		return strconv.AppendBool(b, v.Uint != 0)
	case KindChar:
		return v.appendCharJSON(b)
	case KindFloat:
		return v.appendFloatJSON(b)
	case KindString, KindBytes:
		return v.appendTextJSON(b)
	case KindPointer:
		return v.appendPointerJSON(b)
	case KindEnum:
		if v.Str == "" {
			return appendIntJSON(b, v.Int)
		}
		return appendStringJSON(b, v.Str)
	case KindFlags:
		if v.Str == "" {
			return appendUintJSON(b, v.Uint)
		}
		return appendStringJSON(b, v.Str)
	case KindDuration:
		return appendIntJSON(b, v.Int)
	case KindTime:
		return appendTimeJSON(b, time.Unix(0, v.Int))
	case KindAddress:
		return appendStringJSON(b, v.Str)
	}
	return v.appendCompositeJSON(b)
}

func (v *Value) appendCompositeJSON(b []byte) []byte {
	switch v.Kind {
	case KindStruct, KindTuple:
		return v.appendVariantJSON(b)
	case KindArray:
		return v.appendElemsJSON(b)
	case KindMap:
		return v.appendMapJSON(b)
	case KindInterface:
		return v.appendInterfaceJSON(b)
	case KindStack:
		return appendFramesJSON(b, v.Frames)
	}
	return append(b, "null"...)
}

func (v *Value) appendProblemJSON(b []byte) []byte {
	b = appendStringJSON(append(b, `{"error":`...), string(v.Problem))
	if v.Problem == Unreadable && v.Uint != 0 {
		b = appendHexJSON(append(b, `,"address":`...), v.Uint)
	}
	return append(b, '}')
}

// exact is the largest integer that every reader of JSON takes for itself.
const exact = 1 << 53

func appendIntJSON(b []byte, n int64) []byte {
	switch {
	case n > exact:
		return appendHexJSON(b, uint64(n))
	case n < -exact:
		b = strconv.AppendUint(append(b, `"-0x`...), -uint64(n), 16)
		return append(b, '"')
	}
	return strconv.AppendInt(b, n, 10)
}

func appendUintJSON(b []byte, n uint64) []byte {
	if n > exact {
		return appendHexJSON(b, n)
	}
	return strconv.AppendUint(b, n, 10)
}

func appendHexJSON(b []byte, n uint64) []byte {
	return append(strconv.AppendUint(append(b, `"0x`...), n, 16), '"')
}

func (v *Value) appendCharJSON(b []byte) []byte {
	if v.Size <= 1 && (v.Int < 0 || v.Int > 0x7f) {
		return appendIntJSON(b, v.Int)
	}
	return appendStringJSON(b, string(rune(v.Int)))
}

func (v *Value) appendFloatJSON(b []byte) []byte {
	bits := 64
	if v.Size == 4 {
		bits = 32
	}
	if math.IsInf(v.Float, 0) || math.IsNaN(v.Float) {
		return appendStringJSON(b, strconv.FormatFloat(v.Float, 'g', -1, bits))
	}
	return strconv.AppendFloat(b, v.Float, 'g', -1, bits)
}

func (v *Value) appendTextJSON(b []byte) []byte {
	inner := *v
	switch {
	case v.Truncated:
		inner.Str, inner.Truncated = wholeRunes(v.Str), false
		b = inner.appendTextJSON(append(b, `{"cut":`...))
		if v.Len > uint64(len(v.Str)) {
			b = appendUintJSON(append(b, `,"len":`...), v.Len)
		}
		return append(b, '}')
	case utf8.ValidString(v.Str):
		return appendStringJSON(b, v.Str)
	}
	b = append(b, `{"bytes":"`...)
	return append(hex.AppendEncode(b, []byte(v.Str)), `"}`...)
}

// wholeRunes leaves out the beginning of a character that a limit cut in two.
func wholeRunes(text string) string {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return text[:len(text)-n]
			}
			break
		}
	}
	return text
}

func (v *Value) appendPointerJSON(b []byte) []byte {
	switch {
	case v.Elem != nil && v.Elem.Problem != Cut:
		return v.Elem.AppendJSON(b)
	case v.Str != "":
		return appendStringJSON(b, v.Str)
	case v.Uint == 0:
		return append(b, "null"...)
	}
	return appendHexJSON(b, v.Uint)
}

// appendVariantJSON appends a struct or tuple, under its variant's name when it has one.
func (v *Value) appendVariantJSON(b []byte) []byte {
	switch {
	case v.Str == "":
		return v.appendMembersJSON(b)
	case len(v.Fields) == 0 && v.Str == "None":
		return append(b, "null"...)
	case len(v.Fields) == 0 && !v.Truncated:
		return appendStringJSON(b, v.Str)
	case v.Str == "Some" && len(v.Fields) == 1:
		return v.Fields[0].Value.AppendJSON(b)
	}
	b = append(appendStringJSON(append(b, '{'), v.Str), ':')
	if v.Kind == KindTuple && len(v.Fields) == 1 && !v.Truncated {
		b = v.Fields[0].Value.AppendJSON(b)
	} else {
		b = v.appendMembersJSON(b)
	}
	return append(b, '}')
}

func (v *Value) appendMembersJSON(b []byte) []byte {
	if v.Kind == KindTuple {
		return v.appendElemsJSON(b)
	}
	b = appendFieldsJSON(b, v.Fields)
	if v.Dynamic != "" {
		b = appendMember(b[:len(b)-1], "dynamic")
		b = append(appendStringJSON(b, v.Dynamic), '}')
	}
	if v.Truncated {
		b = appendMember(b[:len(b)-1], "...")
		b = append(b, "null}"...)
	}
	return b
}

func (v *Value) appendElemsJSON(b []byte) []byte {
	b = append(b, '[')
	for i := range v.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.Fields[i].Value.AppendJSON(b)
	}
	if v.Truncated {
		if len(v.Fields) > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"error":"..."}`...)
	}
	return append(b, ']')
}

func (v *Value) appendMapJSON(b []byte) []byte {
	b = append(b, '{')
	for i := range v.Fields {
		b = appendMember(b, v.Fields[i].keyText())
		b = v.Fields[i].Value.AppendJSON(b)
	}
	if v.Truncated || len(v.Fields) == 0 && v.Len > 0 {
		b = appendUintJSON(appendMember(b, "len"), v.Len)
	}
	return append(b, '}')
}

// keyText is a map key as the name of an object's member: text as it is, anything else as C writes it.
func (f *Field) keyText() string {
	switch {
	case f.Key == nil:
		return f.Name
	case f.Key.Kind == KindString && f.Key.Problem == "":
		return f.Key.Str
	}
	return f.Key.Text(LangC)
}

func (v *Value) appendInterfaceJSON(b []byte) []byte {
	if v.Type == "" && v.Elem == nil && v.Uint == 0 {
		return append(b, "null"...)
	}
	b = appendStringJSON(append(b, `{"type":`...), v.Type)
	b = append(b, `,"value":`...)
	if v.Elem != nil {
		b = v.Elem.AppendJSON(b)
	} else {
		b = appendHexJSON(b, v.Uint)
	}
	return append(b, '}')
}
