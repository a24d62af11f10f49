package object

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/fixture"
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
	if len(o.Sources) != 1 || !o.Sources[0].Perf || o.Sources[0].Type != nil {
		t.Errorf("sources: %+v; the type of its events is not in the object", o.Sources)
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
