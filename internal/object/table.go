package object

import (
	"math"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// Table is what an object keeps and what is shown at the end of a run: a map, or a global variable that programs write.
type Table struct {
	Name string
	Map  string // in Spec.Maps
	// Key and Value are nil when they are not known.
	Key, Value btf.Type
	// Variable is a part of its map's only value, Size bytes from At on.
	Variable bool
	At, Size int
	PerCPU   bool
	// Histogram: the value, or its member slots, counts powers of two. Nothing in an object says so: the user does.
	Histogram bool
	// Sum adds up what CPUs counted.
	Sum bool
}

// perCPU are the map types that can be shown, and whether each CPU has a value of its own.
var perCPU = map[ebpf.MapType]bool{
	ebpf.Hash: false, ebpf.LRUHash: false, ebpf.Array: false, ebpf.PerCPUHash: true, ebpf.LRUCPUHash: true, ebpf.PerCPUArray: true,
}

// findTables lists variables that programs may write, and maps, by name.
func (o *Object) findTables() {
	for name, m := range o.Spec.Maps {
		each, shown := perCPU[m.Type]
		if !shown || strings.HasPrefix(name, ".") || name == SpecsMap || name == addressMap || name == ayaScratch {
			continue
		}
		if sec, ok := m.Value.(*btf.Datasec); ok && sec != nil {
			continue // .data.NAME
		}
		t := Table{Name: name, Map: name, Key: m.Key, Value: m.Value, PerCPU: each}
		if list := o.parameters(name); t.Key == nil && t.Value == nil && len(list) > 0 {
			t.Value = sized(list[len(list)-1], m.ValueSize)
			if len(list) > 1 {
				t.Key = sized(list[0], m.KeySize)
			}
		}
		if t.Key == nil && m.Type != ebpf.Hash && m.Type != ebpf.LRUHash && m.Type != ebpf.PerCPUHash && m.Type != ebpf.LRUCPUHash {
			t.Key = &btf.Int{Name: "unsigned int", Size: 4} // an index
		}
		o.Tables = append(o.Tables, t)
	}
	for name, v := range o.Spec.Variables {
		if v.Constant() || !settable(v) || o.Spec.Maps[v.SectionName] == nil {
			continue
		}
		t := Table{Name: name, Map: v.SectionName, Variable: true, At: int(v.Offset), Size: int(v.Size())}
		if v.Type != nil {
			if _, points := btf.UnderlyingType(v.Type.Type).(*btf.Pointer); points {
				continue // how authors get a type into BTF; an address of the kernel says nothing
			}
			t.Value = v.Type.Type
		}
		o.Tables = append(o.Tables, t)
	}
	slices.SortFunc(o.Tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
}

// Show says how tables are shown: which are histograms of powers of two, and whether what CPUs counted is added up.
func (o *Object) Show(histograms []string, sum bool) error {
	var names []string
	for i := range o.Tables {
		o.Tables[i].Sum = sum && o.Tables[i].PerCPU
		names = append(names, o.Tables[i].Name)
	}
	for _, name := range histograms {
		at := slices.Index(names, name)
		if at < 0 {
			return o.unknown(NoMap, "map or variable", name, names)
		}
		t := &o.Tables[at]
		if _, _, ok := slots(t.Value); !ok {
			return &script.Diagnostic{Code: NoType, Message: name + " is no histogram: neither it nor a member slots is an array of numbers"}
		}
		t.Histogram = true
	}
	return nil
}

// slots finds the array of counts in a type, and its offset: the type itself, or the member slots of a structure.
func slots(t btf.Type) (*btf.Array, int, bool) {
	if t == nil {
		return nil, 0, false
	}
	at := 0
	u := btf.UnderlyingType(t)
	if m, ok := memberOf(u, "slots"); ok {
		u, at = btf.UnderlyingType(m.Type), int(m.Offset)/8
	}
	a, ok := u.(*btf.Array)
	if !ok || a.Nelems == 0 || a.Nelems > 64 {
		return nil, 0, false
	}
	_, ok = btf.UnderlyingType(a.Type).(*btf.Int)
	return a, at, ok
}

// Kind is how the table's values are shown.
func (t *Table) Kind() event.AggKind {
	if t.Histogram {
		return event.AggHist
	}
	return event.AggValue
}

// Entry decodes one entry: the key, nil for a variable, and the value of each CPU, or one.
func (t *Table) Entry(key []byte, values [][]byte) event.Entry {
	var e event.Entry
	if !t.Variable {
		e.Key = []event.Value{typed(t.Key, key)}
	}
	if t.Histogram {
		e.Agg = t.histogram(values)
		e.Key = append(e.Key, t.beside(values)...)
		return e
	}
	e.Agg = event.Aggregate{Kind: event.AggValue, Value: t.value(values)}
	return e
}

// typed decodes by a type; without one the bytes are shown.
func typed(t btf.Type, b []byte) event.Value {
	if t == nil {
		return event.Value{Kind: event.KindBytes, Str: string(b), Len: uint64(len(b))}
	}
	return Value(t, b)
}

// value is that of the entry: of a per-CPU map all of them in the order of CPUs, or their sum.
func (t *Table) value(values [][]byte) event.Value {
	if !t.PerCPU {
		return typed(t.Value, values[0])
	}
	out := event.Value{Kind: event.KindArray, Len: uint64(len(values))}
	for _, b := range values {
		out.Fields = append(out.Fields, event.Field{Value: typed(t.Value, b)})
	}
	if !t.Sum {
		return out
	}
	sum := out.Fields[0].Value
	for _, f := range out.Fields[1:] {
		sum = added(sum, f.Value)
	}
	return sum
}

// added adds numbers up; structures and arrays part by part. What is no number stays that of the first CPU that has it.
func added(a, b event.Value) event.Value {
	switch a.Kind {
	case event.KindInt, event.KindUint:
		a.Int, a.Uint = a.Int+b.Int, a.Uint+b.Uint
	case event.KindStruct, event.KindArray:
		parts := slices.Clone(a.Fields)
		for i := range min(len(parts), len(b.Fields)) {
			parts[i].Value = added(parts[i].Value, b.Fields[i].Value)
		}
		a.Fields = parts
	case event.KindString:
		if a.Str == "" {
			return b
		}
	default:
		if a.Bits() == 0 {
			return b
		}
	}
	return a
}

// histogram reads counts of powers of two, added up over CPUs: slot 0 counts 0 and 1, slot n from 2^n to 2^(n+1).
func (t *Table) histogram(values [][]byte) event.Aggregate {
	out := event.Aggregate{Kind: event.AggHist}
	a, at, _ := slots(t.Value)
	counts := make([]uint64, a.Nelems)
	for _, b := range values {
		v := Value(a, from(b, at))
		for i := range v.Fields {
			counts[i] += v.Fields[i].Value.Bits()
		}
	}
	first, last := -1, -1
	for i, n := range counts {
		if n > 0 {
			last = i
			if first < 0 {
				first = i
			}
		}
		out.Count += n
	}
	for i := max(first, 0); i <= last; i++ {
		low := int64(1) << i
		if i == 0 {
			low = 0
		}
		high := int64(math.MaxInt64)
		if i < 62 {
			high = int64(1) << (i + 1)
		}
		out.Buckets = append(out.Buckets, event.Bucket{Low: low, High: high, Count: counts[i]})
	}
	return out
}

// beside gives the other members of a structure that has slots: a name, as a rule, which tells histograms apart.
func (t *Table) beside(values [][]byte) []event.Value {
	v := typed(t.Value, values[0])
	if v.Kind != event.KindStruct {
		return nil
	}
	var out []event.Value
	for _, f := range v.Fields {
		if f.Name != "slots" {
			out = append(out, f.Value)
		}
	}
	return out
}

// Settle fills in what authors leave to their loaders, with the sizes that those choose. Nothing is pinned: it would stay behind.
func Settle(m *ebpf.MapSpec) {
	m.Pinning = ebpf.PinNone
	if m.MaxEntries == 0 {
		switch m.Type {
		case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.StackTrace:
			m.MaxEntries = 10240
		case ebpf.RingBuf:
			m.MaxEntries = 256 << 10
		}
	}
	if m.Type == ebpf.StackTrace && m.ValueSize == 0 {
		m.ValueSize = 8 * 127
	}
}
