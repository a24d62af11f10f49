package object

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

func TestMapsOfRustTellTheirTypesByName(t *testing.T) {
	o, err := Open(fixture.Build(t, "object/rust.bpf.rs"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range o.Programs {
		names = append(names, p.Name+" "+p.Section)
	}
	if got := strings.Join(names, ", "); got != "after_twice uretprobe, on_twice uprobe" {
		t.Errorf("programs: %s", got)
	}
	if len(o.Tables) != 1 || o.Tables[0].Name != "CALLS" || typeName(o.Tables[0].Key) != "u64" || typeName(o.Tables[0].Value) != "u64" {
		t.Errorf("tables: %+v", o.Tables)
	}
	if len(o.Sources) != 1 || !o.Sources[0].Perf || typeName(o.Sources[0].Type) != "struct object::Event" {
		t.Errorf("sources: %+v; the type of its events is in debug information", o.Sources)
	}
}

func TestAVariableOfRustIsSetThroughItsWrappers(t *testing.T) {
	o := read(t, "object/rust.bpf.rs")
	if err := o.Set("LEAST=258"); err != nil {
		t.Fatal(err)
	}
	if got := o.Spec.Variables["LEAST"].Value; !slices.Equal(got, []byte{2, 1, 0, 0}) {
		t.Errorf("LEAST is %v", got)
	}
	var d *script.Diagnostic
	if err := o.Set("LEAST=all"); !errors.As(err, &d) || d.Hints[0] != "it is declared as struct Global LEAST" {
		t.Errorf("%v", err)
	}
}

func TestTypesThatAreOnlySentAreFoundInDebugInformation(t *testing.T) {
	sent := map[string]map[int]string{
		"object/rust.bpf.rs": {16: "struct object::Event", 24: "struct object::Note", 20: ""}, // Note: as room was made for it
		"object/flood.bpf.c": {512: "struct flood_event", 256: ""},
	}
	for name, sizes := range sent {
		o := read(t, name)
		for size, want := range sizes {
			got := ""
			if g := o.guess(&Source{}, size); g != nil {
				got = typeName(g)
			}
			if got != want {
				t.Errorf("%s: records of %d bytes are %q, want %q", name, size, got, want)
			}
		}
	}
	o := read(t, "object/rust.bpf.rs")
	note, err := o.typeNamed("object::Note")
	if err != nil {
		t.Fatal(err)
	}
	v := Value(note, append([]byte("work\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 9, 0, 0, 0, 0, 0, 0, 0))
	if got := v.String(); got != `{comm="work", calls=9}` {
		t.Errorf("a note reads %s", got)
	}
}

func TestNamesOfRustTypesAreRead(t *testing.T) {
	for name, want := range map[string]string{
		"HashMap<u32, Event>":                     "u32|Event",
		"HashMap_3C_u32_2C__20_Event_3E_":         "u32|Event",
		"Array<[u8; 16]>":                         "[u8; 16]",
		"HashMap<Key<u8, u16>, [Pair<i8>; 2]>":    "Key<u8, u16>|[Pair<i8>; 2]",
		"my_3D_print_of_20":                       "",
		"PerfEventArray_3C_demo_3A__3A_Event_3E_": "demo::Event",
	} {
		_, list, _ := strings.Cut(plainName(name), "<")
		got := ""
		if list != "" {
			got = strings.Join(topLevel(strings.TrimSuffix(list, ">")), "|")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	o := read(t, "object/legacy.bpf.c")
	for name, size := range map[string]int{"u8": 1, "i64": 8, "[u16; 3]": 6, "[[u8; 2]; 4]": 8, "usize": 0, "Event": 0, "u7": 0, "[u8; x]": 0} {
		got := 0
		if t := o.rustType(name); t != nil {
			got, _ = btf.Sizeof(t)
		}
		if got != size {
			t.Errorf("%s: %d bytes, want %d", name, got, size)
		}
	}
}

func TestAMapMaySayTheSizeOfItsValuesBehindTheirType(t *testing.T) {
	o := read(t, "object/order.bpf.c")
	if len(o.Sources) != 1 || typeName(o.Sources[0].Type) != "struct note" {
		t.Errorf("sources: %+v", o.Sources)
	}
	if m := o.Spec.Maps["notes"]; m.ValueSize != 0 || m.MaxEntries != 4096 {
		t.Errorf("map: %+v", m)
	}
}

func TestAStructureOfWhichNothingIsKnownIsItsBytes(t *testing.T) {
	maybe := &btf.Struct{Name: "Option_3C_u32_3E_", Size: 4} // linkers leave out what C has no form for
	call := &btf.Struct{Name: "Call", Size: 8, Members: []btf.Member{{Name: "n", Type: &btf.Int{Name: "u32", Size: 4}}, {Name: "maybe", Type: maybe, Offset: 32}}}
	v := Value(call, []byte{1, 0, 0, 0, 'a', 1, 0, 0})
	if got := v.String(); got != `{n=1, maybe="a\001\000\000"}` {
		t.Errorf("it reads %s", got)
	}
}
