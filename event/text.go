package event

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Text gives the value as a literal of the language: {tv_sec=1, tv_nsec=2} in C, main.T{Name:"x"} in Go,
// Point { x: 1 } in Rust. What is cut ends with "..."; what is missing says why in angle brackets. It never fails and
// never holds a raw control character, but for the line breaks of a stack.
func (v *Value) Text(lang Language) string { return string(v.AppendText(nil, lang)) }

// AppendText appends Text to b.
func (v *Value) AppendText(b []byte, lang Language) []byte {
	if v.Problem != "" {
		return v.appendProblem(b)
	}
	b = v.appendPlain(b, lang)
	if v.Guess {
		b = append(b, '?')
	}
	return b
}

// appendPlain appends the value without the mark of a guess.
func (v *Value) appendPlain(b []byte, lang Language) []byte {
	switch v.Kind {
	case KindInt:
		return strconv.AppendInt(b, v.Int, 10)
	case KindUint:
		return strconv.AppendUint(b, v.Uint, 10)
	case KindBool:
		return strconv.AppendBool(b, v.Uint != 0)
	case KindChar:
		return appendChar(b, v, lang)
	case KindFloat:
		return appendFloat(b, v, lang)
	case KindString, KindBytes:
		return v.appendQuoted(b, lang)
	case KindPointer:
		return v.appendPointer(b, lang)
	case KindEnum:
		return appendName(b, v.Str, strconv.FormatInt(v.Int, 10))
	case KindFlags:
		return appendName(b, v.Str, flagsText(v.Uint))
	case KindNil:
		return append(b, v.nilWord(lang)...)
	case KindStack:
		return v.appendStack(b)
	case KindDuration:
		return append(b, time.Duration(v.Int).String()...)
	case KindTime:
		return time.Unix(0, v.Int).UTC().AppendFormat(b, time.RFC3339Nano)
	case KindAddress:
		return append(b, v.Str...)
	}
	return v.appendComposite(b, lang)
}

// appendComposite appends the kinds that hold other values.
func (v *Value) appendComposite(b []byte, lang Language) []byte {
	switch v.Kind {
	case KindStruct:
		return v.appendStruct(b, lang)
	case KindTuple:
		return v.appendTuple(b, lang)
	case KindArray:
		return v.appendArray(b, lang)
	case KindMap:
		return v.appendMap(b, lang)
	case KindInterface:
		return v.appendInterface(b, lang)
	}
	return b
}

func (v *Value) appendProblem(b []byte) []byte {
	switch {
	case v.Problem == Cut:
		return append(b, "..."...)
	case v.Problem == Unreadable && v.Uint != 0:
		b = append(b, "<unreadable 0x"...)
		return append(strconv.AppendUint(b, v.Uint, 16), '>')
	}
	return append(append(append(b, '<'), v.Problem...), '>')
}

func appendName(b []byte, name, number string) []byte {
	if name == "" {
		name = number
	}
	return append(b, name...)
}

func flagsText(n uint64) string {
	if n < 10 {
		return strconv.FormatUint(n, 10)
	}
	return "0x" + strconv.FormatUint(n, 16)
}

// nilWord is the word for nothing: that of a pointer, or of C++'s optional.
func (v *Value) nilWord(lang Language) string {
	if lang == LangCPP && strings.Contains(v.Type, "optional<") {
		return "nullopt"
	}
	return nullWord(lang)
}

func nullWord(lang Language) string {
	switch lang {
	case LangGo:
		return "nil"
	case LangCPP:
		return "nullptr"
	case LangRust:
		return "None"
	}
	return "NULL"
}

func appendFloat(b []byte, v *Value, lang Language) []byte {
	bits := 64
	if v.Size == 4 {
		bits = 32
	}
	switch {
	case math.IsInf(v.Float, 0), math.IsNaN(v.Float):
		text := strconv.FormatFloat(v.Float, 'g', -1, bits)
		if lang != LangGo && lang != LangRust {
			text = strings.ToLower(text)
		}
		if lang != LangGo {
			text = strings.TrimPrefix(strings.Replace(text, "Inf", "inf", 1), "+")
		}
		return append(b, text...)
	}
	at := len(b)
	b = strconv.AppendFloat(b, v.Float, 'g', -1, bits)
	if lang != LangGo && !strings.ContainsAny(string(b[at:]), ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func (v *Value) appendPointer(b []byte, lang Language) []byte {
	switch {
	case v.Elem != nil && v.Elem.Problem == Cut, v.Elem == nil && v.Str == "":
		return appendAddress(b, v.Uint, lang)
	case v.Elem != nil && v.Elem.Problem != "":
		return v.Elem.appendProblem(b)
	case v.Elem != nil:
		return v.Elem.AppendText(append(b, '&'), lang)
	case lang == LangGo, lang == LangRust:
		return append(b, v.Str...)
	}
	return append(append(b, '&'), v.Str...)
}

func appendAddress(b []byte, address uint64, lang Language) []byte {
	if address == 0 && lang != LangRust {
		return append(b, nullWord(lang)...)
	}
	return strconv.AppendUint(append(b, "0x"...), address, 16)
}

// appendStack puts every frame on a line of its own, indented, and begins with a line break: the form that a script's
// printf of a stack has in this field.
func (v *Value) appendStack(b []byte) []byte {
	b = append(b, '\n')
	for i := range v.Frames {
		b = append(append(append(b, "        "...), v.Frames[i].String()...), '\n')
	}
	return b
}

// String gives FUNCTION+OFFSET, FUNCTION for an inlined instance, and the address where no function is known.
func (f *Frame) String() string {
	switch {
	case f.Function == "":
		return "0x" + strconv.FormatUint(f.PC, 16)
	case f.Inlined:
		return f.Function
	}
	return f.Function + "+" + strconv.FormatUint(f.Offset, 10)
}
