package object

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

func read(t *testing.T, source string, flags ...string) *Object {
	t.Helper()
	o, err := Open(fixture.Build(t, source, flags...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestValuesReadByTheirTypes(t *testing.T) {
	u32, s8 := &btf.Int{Name: "unsigned int", Size: 4}, &btf.Int{Name: "signed char", Size: 1, Encoding: btf.Signed}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	enum := &btf.Enum{Name: "e", Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 1}, {Name: "B", Value: 0xffffffff}}}
	inner := &btf.Struct{Size: 4, Members: []btf.Member{{Name: "x", Type: u32}}}
	loop := &btf.Struct{Name: "loop", Size: 8}
	loop.Members = []btf.Member{{Name: "again", Type: loop}}
	for name, c := range map[string]struct {
		t    btf.Type
		b    []byte
		want string
	}{
		"unsigned":             {u32, []byte{255, 255, 255, 255}, "4294967295"},
		"signed":               {s8, []byte{255}, "-1"},
		"truth":                {&btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}, []byte{1}, "true"},
		"character":            {char, []byte{'x'}, "'x'"},
		"text":                 {&btf.Array{Type: char, Nelems: 8}, []byte("abc\x00defg"), `"abc"`},
		"text without end":     {&btf.Array{Type: char, Nelems: 3}, []byte("abcdef"), `"abc"`},
		"text, controls":       {&btf.Array{Type: char, Nelems: 3}, []byte("a\x1bc"), `"a\033c"`},
		"bytes are numbers":    {&btf.Array{Type: &btf.Int{Name: "unsigned char", Size: 1}, Nelems: 2}, []byte("ab"), "{97, 98}"},
		"enumerator":           {enum, []byte{1, 0, 0, 0}, "A"},
		"enumerator, negative": {enum, []byte{255, 255, 255, 255}, "B"},
		"enumerator, unknown":  {enum, []byte{7, 0, 0, 0}, "7"},
		"pointer":              {&btf.Pointer{Target: u32}, []byte{0x34, 0x12, 0, 0, 0, 0, 0, 0}, "0x1234"},
		"typedef, const":       {&btf.Const{Type: &btf.Typedef{Name: "u32", Type: u32}}, []byte{2, 0, 0, 0}, "2"},
		"float":                {&btf.Float{Name: "double", Size: 8}, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, "1.5"},
		"unnamed inside": {&btf.Struct{Name: "s", Size: 8, Members: []btf.Member{{Name: "a", Type: u32}, {Type: inner, Offset: 32}}},
			[]byte{1, 0, 0, 0, 2, 0, 0, 0}, "{a=1, x=2}"},
		"bit-fields": {&btf.Struct{Size: 4, Members: []btf.Member{{Name: "a", Type: u32, BitfieldSize: 3}, {Name: "b", Type: s8, Offset: 3, BitfieldSize: 4},
			{Name: "c", Type: u32, Offset: 7, BitfieldSize: 10}}}, []byte{0b1_1110_101, 0b0000_0001, 0, 0}, "{a=5, b=-2, c=3}"},
		"short":                    {&btf.Struct{Size: 8, Members: []btf.Member{{Name: "a", Type: u32}, {Name: "b", Type: u32, Offset: 32}}}, []byte{1, 0, 0, 0, 2}, "{a=1, b=<lost>}"},
		"array of open length":     {&btf.Struct{Size: 4, Members: []btf.Member{{Name: "n", Type: u32}, {Name: "v", Type: &btf.Array{Type: u32}, Offset: 32}}}, []byte{1, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0}, "{n=1, v={7, 8}}"},
		"a type that holds itself": {loop, make([]byte, 8), strings.Repeat("{again=", 17) + "..." + strings.Repeat("}", 17)},
	} {
		v := Value(c.t, c.b)
		if got := v.Text(event.LangC); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestProgramsNameTheirPlaces(t *testing.T) {
	o := read(t, "object/foreign.bpf.c")
	var got []string
	for _, p := range o.Programs {
		got = append(got, p.Name+" "+p.Place)
	}
	if want := "on_kernel |on_open |on_twice ./work:twice"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for section, want := range map[string]Program{
		"uprobe/libc:malloc":          {Kind: Entry, Place: "libc:malloc"},
		"uprobe.s/libc:malloc+0x10":   {Kind: Entry, Place: "libc:malloc+0x10"},
		"uretprobe//bin/sh:main":      {Kind: Return, Place: "/bin/sh:main"},
		"uretprobe/bin/sh:main":       {Kind: Return, Place: "/bin/sh:main"},
		"uprobe.multi.s/libc:mem*":    {Kind: Entry, Place: "libc:mem*"},
		"uretprobe.multi/libc:mem*":   {Kind: Return, Place: "libc:mem*"},
		"uprobe.session/libc:free":    {Kind: Session, Place: "libc:free"},
		"usdt//bin/app:provider:name": {Kind: Static, Place: "/bin/app:provider:name"},
		"uretprobe/readline":          {Kind: Return},
		"uprobe":                      {Kind: Entry},
		"usdt":                        {Kind: Static},
		"kretprobe/do_nanosleep":      {Kind: Return, Foreign: "its section is kretprobe/do_nanosleep"},
		"fentry/f":                    {Foreign: "its section is fentry/f"},
	} {
		spec := o.Spec.Programs["on_twice"].Copy()
		spec.SectionName = section
		got := newProgram("", spec)
		if got.Kind != want.Kind || got.Place != want.Place || got.Foreign != want.Foreign {
			t.Errorf("%s: %+v", section, got)
		}
	}
}

func TestWhatIsNoObjectIsADiagnosis(t *testing.T) {
	whole, err := os.ReadFile(fixture.Build(t, "object/calls.bpf.c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read("whole", whole); err != nil {
		t.Error(err)
	}
	for _, n := range []int{0, 3, 19, 20, 64, 100, len(whole) / 2, len(whole) - 1} {
		if _, err := Read("cut", whole[:n]); !errors.Is(err, BadObject) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Open("/nope"); !errors.Is(err, script.NoFile) {
		t.Errorf("no file: %v", err)
	}
	if self, err := os.ReadFile("/proc/self/exe"); err != nil || Is(self) {
		t.Errorf("a program of this machine is no object: %v", err)
	}
}

func FuzzObject(f *testing.F) {
	for _, source := range []string{"object/calls.bpf.c", "object/usdt.bpf.c"} {
		text, err := os.ReadFile(fixture.Build(f, source))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Read("fuzz", text)
		if err != nil {
			return
		}
		for i := range o.Sources {
			b := make([]byte, Header+64)
			PutHeader(b, uint32(i))
			o.NewDecoder(clock{}).Record(b)
		}
		for i := range o.Tables {
			o.Tables[i].Entry(make([]byte, 4), [][]byte{make([]byte, 8)})
		}
	})
}

type clock struct{}

func (clock) At(uint64) time.Time { return time.Time{} }

func TestAnObjectWithoutTypesShowsBytes(t *testing.T) {
	o := read(t, "object/legacy.bpf.c", "-g0")
	if err := o.Set("least=1"); !errors.Is(err, NoType) {
		t.Errorf("a variable without type: %v", err)
	}
	b := append(make([]byte, Header), 1, 2, 3)
	e, err := o.NewDecoder(clock{}).Record(b)
	r, ok := e.(*event.Record)
	if !ok || err != nil || r.Guess || r.Value.Kind != event.KindBytes || r.Value.Str != "\x01\x02\x03" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestATypeIsGuessedBySizeAndNameAndSaidToBeAGuess(t *testing.T) {
	o := read(t, "object/latency.bpf.c")
	d := o.NewDecoder(clock{})
	record := func(size int) *event.Record {
		e, err := d.Record(make([]byte, Header+size))
		if err != nil {
			t.Fatal(err)
		}
		return e.(*event.Record)
	}
	if r := record(44); !r.Guess || r.Value.Type != "struct sample_event" { // 40 bytes, padded by perf
		t.Errorf("44 bytes: %+v", r)
	}
	if r := record(48); r.Guess || r.Value.Kind != event.KindBytes {
		t.Errorf("48 bytes: %+v", r)
	}
	if n := len(d.Notes()); n != 2 {
		t.Errorf("notes: %q", d.Notes())
	}
	if err := o.Events("struct hist", nil); err != nil {
		t.Fatal(err)
	}
	if r := record(44); r.Guess || r.Value.Type != "struct hist" {
		t.Errorf("as the user says: %+v", r)
	}
	for _, wrong := range []string{"struct nope", "nope=struct hist"} {
		if err := o.Events(wrong, nil); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestArgumentsOfStaticProbesAreWrittenAsTheHeaderReadsThem(t *testing.T) {
	o := read(t, "object/usdt.bpf.c")
	registers := func(a symbol.USDTArg) (int, int, bool) { return 80 + int(a.Reg), 0, true }
	note := &symbol.USDT{Addr: 0x1000, Args: []symbol.USDTArg{
		{Size: 4, Signed: true, Kind: symbol.OperandConst, Disp: -9},
		{Size: 8, Kind: symbol.OperandRegister, Reg: ctype.RAX, HasReg: true},
		{Size: 2, Kind: symbol.OperandMemory, Reg: ctype.RAX, HasReg: true, Disp: -16},
		{Size: 1, Kind: symbol.OperandAddress, Addr: 0x1100},
		{Size: 8, Kind: symbol.OperandMemory, Reg: ctype.RAX, HasReg: true, HasIndex: true, Scale: 8},
		{Size: 8, Float: true, Kind: symbol.OperandRegister, Reg: ctype.RAX, HasReg: true},
	}}
	b, err := o.StaticSpec(note, registers, 128)
	if err != nil {
		t.Fatal(err)
	}
	minus := func(n int64) uint64 { return uint64(-n) }
	for i, want := range []struct {
		value    uint64
		kind     uint32
		register uint16
		signed   byte
		shift    byte
	}{
		{minus(9), argConst, 80, 1, 32}, {0, argRegister, 80, 0, 0}, {minus(16), argMemory, 80, 0, 48}, {0x100, argMemory, 128, 0, 56},
		{0, argNone, 80, 0, 0}, {0, argNone, 0, 0, 0}, // this header (libbpf 1.1) has no indexes, and none has floats
	} {
		arg := b[i*16:][:16]
		if value, kind := binary.LittleEndian.Uint64(arg), binary.LittleEndian.Uint32(arg[8:]); value != want.value || kind != want.kind {
			t.Errorf("argument %d: value %#x kind %d, want %#x %d", i, value, kind, want.value, want.kind)
		}
		if want.kind == argNone || want.kind == argConst {
			continue
		}
		if register := binary.LittleEndian.Uint16(arg[12:]); register != want.register || arg[14] != want.signed || arg[15] != want.shift {
			t.Errorf("argument %d: register %d signed %d shift %d, want %+v", i, register, arg[14], arg[15], want)
		}
	}
	if n := binary.LittleEndian.Uint16(b[12*16+8:]); n != 6 {
		t.Errorf("%d arguments, want 6", n)
	}
}

// field is a field of aya-log's records.
func field(tag byte, value ...byte) []byte {
	return append([]byte{tag, byte(len(value)), 0}, value...)
}

func TestLinesOfAyaLogReadInBothForms(t *testing.T) {
	head := func(first byte, count byte) (b []byte) {
		for i, v := range [][]byte{[]byte("demo"), {2}, []byte("demo::x"), []byte("src/main.rs"), {17, 0, 0, 0}, {count, 0, 0, 0}} {
			b = append(b, field(first+byte(i), v...)...)
		}
		return b
	}
	for name, c := range map[string]struct {
		args [][]byte
		want string
	}{
		"text":       {[][]byte{field(ayaStr, 'h', 'i')}, "hi"},
		"signed":     {[][]byte{field(ayaI16, 0xfe, 0xff)}, "-2"},
		"hex":        {[][]byte{field(ayaHint, hintLowerHex), field(ayaI16, 0xfe, 0xff)}, "fffe"},
		"HEX, once":  {[][]byte{field(ayaHint, hintUpperHex), field(ayaU8, 0xab), field(ayaU8, 0xab)}, "AB171"},
		"address":    {[][]byte{field(ayaHint, hintIP), field(ayaU32, 1, 0, 0, 127)}, "127.0.0.1"},
		"octets":     {[][]byte{field(ayaBytes4, 127, 0, 0, 1)}, "127.0.0.1"},
		"IPv6":       {[][]byte{field(ayaIPv6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)}, "::1"},
		"MAC":        {[][]byte{field(ayaHint, hintUpperMAC), field(ayaBytes6, 1, 2, 3, 4, 5, 0xab)}, "01:02:03:04:05:AB"},
		"float":      {[][]byte{field(ayaF32, 0, 0, 0xc0, 0x3f)}, "1.5"},
		"pointer":    {[][]byte{field(ayaPointer, 0x34, 0x12, 0, 0, 0, 0, 0, 0)}, "0x1234"},
		"two values": {[][]byte{field(ayaU8, 1), field(ayaStr, ','), field(ayaU8, 2)}, "1,2"},
	} {
		var args []byte
		for _, a := range c.args {
			args = append(args, a...)
		}
		old := append(head(1, byte(len(c.args))), args...)
		young := append([]byte{0, 0}, append(head(0, byte(len(c.args))), args...)...)
		binary.LittleEndian.PutUint16(young, uint16(len(young)))
		for perf, b := range map[bool][]byte{true: append(old, 0, 0, 0), false: young} {
			l, err := ayaLine(b, perf)
			if err != nil || l.Text != c.want || l.Level != "warn" || l.Target != "demo" || l.File != "src/main.rs" || l.Line != 17 {
				t.Errorf("%s, perf %v: %+v, %v; want %q", name, perf, l, err, c.want)
			}
		}
	}
	whole := append(head(1, 1), field(ayaU32, 1, 2, 3, 4)...)
	for n := range len(whole) {
		if _, err := ayaLine(whole[:n], true); err == nil {
			t.Errorf("%d of %d bytes are a line", n, len(whole))
		}
	}
}

func TestCountsOfPowersOfTwoAreDrawnOnlyWhereAsked(t *testing.T) {
	o := read(t, "object/latency.bpf.c")
	if err := o.Show([]string{"hists"}, false); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 26*4+16)
	b[0], b[4*5] = 2, 7
	copy(b[26*4:], "comm")
	for i := range o.Tables {
		table := &o.Tables[i]
		if table.Name != "hists" {
			if table.Histogram {
				t.Errorf("%s was not asked for", table.Name)
			}
			continue
		}
		e := table.Entry(make([]byte, 4), [][]byte{b})
		first, last := e.Agg.Buckets[0], e.Agg.Buckets[len(e.Agg.Buckets)-1]
		if first != (event.Bucket{Low: 0, High: 2, Count: 2}) || last != (event.Bucket{Low: 32, High: 64, Count: 7}) || e.Agg.Count != 9 {
			t.Errorf("got %+v", e.Agg)
		}
		if len(e.Key) != 2 || e.Key[1].Str != "comm" {
			t.Errorf("key: %+v", e.Key)
		}
	}
	if err := o.Show([]string{"starts"}, false); !errors.Is(err, NoType) {
		t.Errorf("a table that counts nothing: %v", err)
	}
}
