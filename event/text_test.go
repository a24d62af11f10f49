package event

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func field(name string, v Value) Field { return Field{Name: name, Value: v} }

func elem(v Value) *Value { return &v }

// TestAValueReadsAsItsLanguageWritesIt: one value, its text per language, and its JSON.
func TestAValueReadsAsItsLanguageWritesIt(t *testing.T) {
	timespec := Value{Kind: KindStruct, Type: "struct timespec", Fields: []Field{field("tv_sec", Int(1)), field("tv_nsec", Int(2))}}
	point := Value{Kind: KindStruct, Type: "geo::Point<i32>", Fields: []Field{field("x", Int(1))}}
	person := Value{Kind: KindStruct, Type: "main.T", Fields: []Field{field("Name", String("x")), field("Age", Int(3))}}
	numbers := []Field{field("", Int(1)), field("", Int(2))}
	for _, c := range []struct {
		lang Language
		v    Value
		text string
		json string
	}{
		{LangC, Int(-5), "-5", "-5"},
		{LangC, Int(1 << 53), "9007199254740992", "9007199254740992"},
		{LangC, Int(1<<53 + 1), "9007199254740993", `"0x20000000000001"`},
		{LangC, Int(math.MinInt64), "-9223372036854775808", `"-0x8000000000000000"`},
		{LangC, Uint(math.MaxUint64), "18446744073709551615", `"0xffffffffffffffff"`},
		{LangC, Value{Kind: KindBool, Uint: 1}, "true", "true"},
		{LangC, Value{Kind: KindChar, Int: 'c', Size: 1}, "'c'", `"c"`},
		{LangC, Value{Kind: KindChar, Int: 0, Size: 1}, `'\0'`, `"\u0000"`},
		{LangC, Value{Kind: KindChar, Int: '\'', Size: 1}, `'\''`, `"'"`},
		{LangC, Value{Kind: KindChar, Int: -61, Size: 1}, `'\303'`, "-61"},
		{LangGo, Value{Kind: KindChar, Int: 'é', Size: 4}, "'é'", `"é"`},
		{LangRust, Value{Kind: KindChar, Int: 0x1b, Size: 4}, `'\u{1b}'`, `"\u001b"`},
		{LangC, Value{Kind: KindFloat, Float: 1, Size: 8}, "1.0", "1"},
		{LangGo, Value{Kind: KindFloat, Float: 1, Size: 8}, "1", "1"},
		{LangC, Value{Kind: KindFloat, Float: float64(float32(0.1)), Size: 4}, "0.1", "0.1"},
		{LangC, Value{Kind: KindFloat, Float: math.Inf(-1), Size: 8}, "-inf", `"-Inf"`},
		{LangGo, Value{Kind: KindFloat, Float: math.NaN(), Size: 8}, "NaN", `"NaN"`},
		{LangC, String("a\"b\n\x1bc\xff"), `"a\"b\n\033c\377"`, `{"bytes":"6122620a1b63ff"}`},
		{LangC, String("a\"b\n\x1bc"), `"a\"b\n\033c"`, `"a\"b\n\u001bc"`},
		{LangGo, String("é\x00"), `"é\x00"`, `"é\u0000"`},
		{LangRust, String("é\x00"), `"é\u{0}"`, `"é\u0000"`},
		{LangC, Value{Kind: KindString, Str: "ab\xc3", Len: 9, Truncated: true}, `"ab"...`, `{"cut":"ab","len":9}`},
		{LangC, Value{Kind: KindString, Str: "ab", Len: 9, Truncated: true, Guess: true}, `"ab"...?`, `{"guess":{"cut":"ab","len":9}}`},
		{LangGo, Value{Kind: KindBytes, Str: "ab"}, `[]byte("ab")`, `"ab"`},
		{LangRust, Value{Kind: KindBytes, Str: "a\"\n\x01é"}, `b"a\"\x0a\x01\xc3\xa9"`, `"a\"\n\u0001é"`},
		{LangRust, Value{Kind: KindBytes, Str: "\xff"}, `b"\xff"`, `{"bytes":"ff"}`},
		{LangC, Value{Kind: KindPointer}, "NULL", "null"},
		{LangC, Value{Kind: KindPointer, Uint: 0x7f01}, "0x7f01", `"0x7f01"`},
		{LangC, Value{Kind: KindPointer, Uint: 0x7f01, Str: "compare"}, "&compare", `"compare"`},
		{LangGo, Value{Kind: KindPointer, Uint: 0x7f01, Str: "main.work"}, "main.work", `"main.work"`},
		{LangC, Value{Kind: KindPointer, Uint: 1, Elem: &timespec}, "&{tv_sec=1, tv_nsec=2}", `{"tv_sec":1,"tv_nsec":2}`},
		{LangC, Value{Kind: KindPointer, Uint: 16, Elem: elem(Missing(Unreadable, 16))}, "<unreadable 0x10>", `{"error":"unreadable","address":"0x10"}`},
		{LangC, Value{Kind: KindPointer, Uint: 16, Elem: elem(Missing(Cut, 0))}, "0x10", `"0x10"`},
		{LangC, Missing(Unavailable, 0), "<unavailable>", `{"error":"unavailable"}`},
		{LangC, Missing(OptimizedOut, 0), "<optimized out>", `{"error":"optimized out"}`},
		{LangC, Missing(Cut, 0), "...", `{"error":"..."}`},
		{LangC, Value{Kind: KindEnum, Int: 2, Str: "GREEN"}, "GREEN", `"GREEN"`},
		{LangC, Value{Kind: KindEnum, Int: -2}, "-2", "-2"},
		{LangC, Value{Kind: KindFlags, Uint: 0x80001, Str: "O_WRONLY|O_CLOEXEC"}, "O_WRONLY|O_CLOEXEC", `"O_WRONLY|O_CLOEXEC"`},
		{LangC, Value{Kind: KindFlags, Uint: 0x80}, "0x80", "128"},
		{LangC, timespec, "{tv_sec=1, tv_nsec=2}", `{"tv_sec":1,"tv_nsec":2}`},
		{LangGo, Value{Kind: KindArray, Type: "[]map[a/b/c.K]*io/fs.T[d/e.X]"}, "[]map[c.K]*fs.T[e.X]{}", "[]"},
		{LangGo, person, `main.T{Name:"x", Age:3}`, `{"Name":"x","Age":3}`},
		{LangGo, Value{Kind: KindPointer, Uint: 1, Elem: &person}, `&main.T{Name:"x", Age:3}`, `{"Name":"x","Age":3}`},
		{LangRust, point, "Point { x: 1 }", `{"x":1}`},
		{LangC, Value{Kind: KindStruct, Truncated: true, Fields: []Field{field("a", Int(1))}}, "{a=1, ...}", `{"a":1,"...":null}`},
		{LangRust, Value{Kind: KindTuple, Str: "Some", Fields: []Field{field("", String("x"))}}, `Some("x")`, `"x"`},
		{LangRust, Value{Kind: KindStruct, Str: "None"}, "None", "null"},
		{LangRust, Value{Kind: KindTuple, Str: "Err", Fields: []Field{field("", Int(4))}}, "Err(4)", `{"Err":4}`},
		{LangRust, Value{Kind: KindStruct, Str: "Rect", Fields: []Field{field("w", Int(4))}}, "Rect { w: 4 }", `{"Rect":{"w":4}}`},
		{LangRust, Value{Kind: KindTuple, Str: "", Fields: []Field{field("", Int(4))}}, "(4,)", "[4]"},
		{LangRust, Value{Kind: KindArray, Type: "alloc::vec::Vec<i32>", Len: 2, Fields: numbers}, "vec![1, 2]", "[1,2]"},
		{LangRust, Value{Kind: KindArray, Type: "&[i32]", Len: 2, Fields: numbers}, "[1, 2]", "[1,2]"},
		{LangCPP, Value{Kind: KindArray, Type: "std::vector<int>", Len: 2, Fields: numbers}, "{1, 2}", "[1,2]"},
		{LangGo, Value{Kind: KindArray, Type: "[]int", Len: 100, Truncated: true, Fields: numbers}, "[]int{1, 2, ...}", `[1,2,{"error":"..."}]`},
		{LangGo, Value{Kind: KindTuple, Fields: []Field{field("", Int(1)), field("", Value{Kind: KindNil})}}, "(1, nil)", "[1,null]"},
		{LangCPP, Value{Kind: KindNil}, "nullptr", "null"},
		{LangGo, Value{Kind: KindMap, Type: "map[string]int", Len: 3}, "map[string]int(len 3)", `{"len":3}`},
		{LangGo, Value{Kind: KindMap, Type: "map[string]int", Len: 1, Fields: []Field{{Key: elem(String("a")), Value: Int(1)}}}, `map[string]int{"a":1}`, `{"a":1}`},
		{LangCPP, Value{Kind: KindMap, Len: 2, Truncated: true, Fields: []Field{{Key: elem(Int(7)), Value: Int(1)}}}, `{{7, 1}, ...}`, `{"7":1,"len":2}`},
		{LangGo, Value{Kind: KindInterface}, "nil", "null"},
		{LangGo, Value{Kind: KindInterface, Type: "int", Elem: elem(Int(5))}, "int(5)", `{"type":"int","value":5}`},
		{LangGo, Value{Kind: KindInterface, Type: "string", Elem: elem(Value{Kind: KindString, Type: "string", Str: "s"})}, `"s"`, `{"type":"string","value":"s"}`},
		{LangGo, Value{Kind: KindInterface, Type: "*main.T", Elem: &Value{Kind: KindPointer, Uint: 1, Elem: &person}}, `&main.T{Name:"x", Age:3}`, `{"type":"*main.T","value":{"Name":"x","Age":3}}`},
		{LangGo, Value{Kind: KindInterface, Type: "*main.T", Uint: 0xc000}, "*main.T(0xc000)", `{"type":"*main.T","value":"0xc000"}`},
		{LangC, Value{Kind: KindAddress, Str: "127.0.0.1:80"}, "127.0.0.1:80", `"127.0.0.1:80"`},
		{LangC, Value{Kind: KindDuration, Int: 1500000}, "1.5ms", "1500000"},
		{LangC, Value{Kind: KindTime, Int: 1}, "1970-01-01T00:00:00.000000001Z", `"1970-01-01T00:00:00.000000001Z"`},
		{LangC, Value{Kind: KindStack, Frames: []Frame{{PC: 16, Function: "f", Offset: 4}, {PC: 255}}}, "\n        f+4\n        0xff\n", `["f","0xff"]`},
	} {
		if text := c.v.Text(c.lang); text != c.text {
			t.Errorf("%s %+v: text %s, want %s", c.lang, c.v, text, c.text)
		}
		got, err := json.Marshal(c.v)
		if err != nil || string(got) != c.json {
			t.Errorf("%+v: JSON %s (%v), want %s", c.v, got, err, c.json)
		}
	}
}

// TestACallIsOneObjectOfJSON: every member of a call, and those left out.
func TestACallIsOneObjectOfJSON(t *testing.T) {
	ret := Int(100)
	at := time.Date(2026, 1, 2, 15, 4, 5, 123456789, time.UTC)
	for _, c := range []struct {
		call Event
		want string
	}{
		{&Call{Time: at, PID: 1, TID: 2, Comm: "ls", Target: "/bin/ls", Function: "f", Args: []Field{field("a", Int(3)), field("", String("abc"))},
			Return: &ret, Duration: 1200, Outcome: Returned, Stack: []Frame{{Function: "main.main"}}},
			`{"type":"call","time":"2026-01-02T15:04:05.123456789Z","pid":1,"tid":2,"comm":"ls","target":"/bin/ls","function":"f","args":{"a":3,"arg1":"abc"},"return":100,"duration_ns":1200,"stack":["main.main"]}`},
		{&Call{Time: at, PID: 1, TID: 2, Goroutine: 7, Comm: "a\nb\"", Target: "t", Function: "f", Errno: "ENOENT", Outcome: TailCalled, Callee: "g", Depth: 2},
			`{"type":"call","time":"2026-01-02T15:04:05.123456789Z","pid":1,"tid":2,"goroutine":7,"comm":"a\nb\"","target":"t","function":"f","args":{},"errno":"ENOENT","duration_ns":0,"outcome":"tail-called","callee":"g","depth":2}`},
		{&Call{Time: at, Outcome: Unfinished}, `{"type":"call","time":"2026-01-02T15:04:05.123456789Z","pid":0,"tid":0,"comm":"","target":"","function":"","args":{},"outcome":"unfinished"}`},
		{&Print{Time: at, Format: "%d %s\n", Args: []Value{Int(1), String("x")}}, `{"type":"printf","time":"2026-01-02T15:04:05.123456789Z","pid":0,"tid":0,"text":"1 x\n","args":[1,"x"]}`},
		{&Print{Time: at, Args: []Value{Int(1)}}, `{"type":"print","time":"2026-01-02T15:04:05.123456789Z","pid":0,"tid":0,"value":1}`},
		{&MapClear{Name: "x"}, `{"type":"clear","map":"@x"}`},
		{&Exit{Code: 3}, `{"type":"exit","code":3}`},
	} {
		got, err := json.Marshal(c.call)
		if err != nil || string(got) != c.want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, c.want)
		}
	}
}

// TestPrintfReadsAsInC: formats, values and what is printed.
func TestPrintfReadsAsInC(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []Value
		want   string
	}{
		{"%d%%\n", []Value{Int(-3)}, "-3%\n"},
		{"%5d|%-5d|%05d|%+d|% d", []Value{Int(42), Int(42), Int(-42), Int(4), Int(4)}, "   42|42   |-0042|+4| 4"},
		{"%u %lu", []Value{{Kind: KindInt, Int: -1, Size: 4}, Int(-1)}, "4294967295 18446744073709551615"},
		{"%x %#x %X %llx", []Value{{Kind: KindInt, Int: -1, Size: 2}, Uint(255), Uint(255), Uint(1)}, "ffff 0xff FF 1"},
		{"%p", []Value{Uint(255)}, "0xff"},
		{"%c%c", []Value{Int('h'), Int('i')}, "hi"},
		{"%s|%10s|%-4s|%.2s", []Value{String("a\x1bb"), String("é"), String("x"), String("abc")}, "a\\033b|         é|x   |ab"},
		{"%s %r", []Value{Int(1), String("q")}, `1 "q"`},
		{"%s", []Value{{Kind: KindString, Str: "ab", Truncated: true, Len: 9}}, "ab..."},
		{"%d", []Value{Missing(Unreadable, 0)}, "<unreadable>"},
		{"%.2f %g", []Value{{Kind: KindFloat, Float: 1.234, Size: 8}, Int(3)}, "1.23 3"},
		{"%d %d", []Value{Int(1)}, "1 "},
		{"%d", []Value{{Kind: KindPointer, Uint: 7}}, "7"},
		{"%s", []Value{{Kind: KindEnum, Int: 1, Str: "RED"}}, "RED"},
	} {
		p := Print{Format: c.format, Args: c.args}
		if got := p.Text(); got != c.want {
			t.Errorf("printf(%q): %q, want %q", c.format, got, c.want)
		}
	}
}

// TestABadFormatIsAnError: what Directives refuses.
func TestABadFormatIsAnError(t *testing.T) {
	for _, format := range []string{"%", "%d %", "%y", "%l", "%99999d", "%.99999999999999999999s"} {
		if _, err := Directives(format); err == nil {
			t.Errorf("%q is accepted", format)
		}
	}
}

// FuzzText: no value makes Text or JSON panic, and JSON is JSON.
func FuzzText(f *testing.F) {
	f.Add(uint8(KindString), "a\xff", int64(1), uint8(LangGo), "")
	f.Fuzz(func(t *testing.T, kind uint8, text string, n int64, lang uint8, problem string) {
		v := Value{Kind: Kind(kind), Str: text, Int: n, Uint: uint64(n), Float: float64(n), Type: text, Problem: Problem(problem), Truncated: n&1 != 0, Size: uint8(n)}
		v.Elem = &Value{Kind: KindInt}
		v.Fields = []Field{{Name: text, Value: *v.Elem, Key: v.Elem}}
		v.Text(Language(lang))
		if b, err := json.Marshal(v); err != nil || !json.Valid(b) {
			t.Errorf("%+v: %s: %v", v, b, err)
		}
	})
}
