package codegen_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan"
)

// memory is a page of this process, which programs that run in it can read; the page after it is not there.
type memory struct {
	bytes []byte
	used  int
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	b, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mprotect(b[4096:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return &memory{bytes: b}
}

func (m *memory) at(i int) plan.Expr {
	return &plan.Const{V: int64(uintptr(unsafe.Pointer(&m.bytes[i]))), T: ulong}
}

// put stores bytes and gives their address.
func (m *memory) put(b string) plan.Expr {
	at := m.used
	m.used += copy(m.bytes[at:4096], b)
	return m.at(at)
}

// last stores bytes at the very end of what is readable.
func (m *memory) last(b string) plan.Expr {
	copy(m.bytes[4096-len(b):], b)
	return m.at(4096 - len(b))
}

// stored runs a program that puts expressions under the numbers of their places in a map of type typ, and gives the bytes.
func stored(t *testing.T, f codegen.Features, typ plan.Type, exprs []plan.Expr, counters map[plan.Counter]uint64, before ...plan.Stmt) [][]byte {
	t.Helper()
	p := begin(before...)
	p.Maps = []plan.Map{{Name: "@", Kind: event.AggValue, Keys: []plan.Type{long}, Value: typ}}
	p.Vars = []plan.Var{{Name: "$a", Type: text(16)}, {Name: "$b", Type: text(200)}, {Name: "$n", Type: long}}
	body := &p.Probes[0].Bodies[0]
	for i, e := range exprs {
		body.Stmts = append(body.Stmts, &plan.MapSet{Map: 0, Key: []plan.Expr{num(int64(i))}, X: e})
	}
	s := run(t, p, f)
	got := make([][]byte, len(exprs))
	err := s.Cells(0, func(key []byte, values [][]byte) error {
		got[binary.NativeEndian.Uint64(key)] = bytes.Clone(values[0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, counters)
	return got
}

// padded is a text as memory holds it.
func padded(s string, size int) []byte {
	return append([]byte(s), make([]byte, size-len(s))...)
}

func TestUserTextsAreReadAndPadded(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		long := strings.Repeat("0123456789", 30)
		for _, c := range []struct {
			size, max int
			text      string
			want      string
			cut       uint64
		}{
			{64, 64, "hello", "hello", 0},
			{64, 64, "", "", 0},
			{64, 64, long[:63], long[:63], 0},
			{64, 64, long[:64], long[:64], 0},
			{64, 64, long[:65], long[:64], 1},
			{64, 64, long, long[:64], 1},
			{200, 200, long[:200], long[:200], 0},
			{200, 200, long, long[:200], 1},
			{64, 10, long, long[:10], 1},
			{64, 10, long[:10], long[:10], 0},
			{64, 10, long[:11], long[:10], 1},
			{10, 64, long, long[:10], 1},
			{13, 13, long[:13], long[:13], 0},
			{13, 13, long[:14], long[:13], 1},
			{8, 8, "abcdefgh", "abcdefgh", 0},
			{1, 1, "ab", "a", 1},
		} {
			m := newMemory(t)
			e := &plan.Str{Addr: m.last(c.text + "\x00"), Max: c.max}
			typ := text(c.size)
			got := stored(t, f, typ, []plan.Expr{e}, map[plan.Counter]uint64{plan.CountTruncated: c.cut})
			if want := padded(c.want, typ.PartSize()); !bytes.Equal(got[0], want) {
				t.Errorf("%d bytes in %d, at most %d: %q, want %q", len(c.text), c.size, c.max, got[0], want)
			}
		}
	})
}

func TestTextThatCannotBeReadIsEmptyAndCounted(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		m := newMemory(t)
		exprs := []plan.Expr{
			&plan.Str{Addr: m.last("no end"), Max: 64},
			&plan.Str{Addr: m.at(4096), Max: 64},
			&plan.Str{Addr: num(8), Max: 64},
			&plan.Str{Addr: num(0), Max: 64},
			&plan.Str{Addr: m.at(4090), Len: num(20), Max: 250},
			&plan.Str{Addr: m.last("abc"), Len: num(3), Max: 64},
			&plan.Str{Addr: m.last("abc"), Len: num(4), Max: 64},
			&plan.Str{Addr: m.last("abc"), Len: num(0), Max: 64},
			&plan.Str{Addr: m.last("abc"), Len: num(-1), Max: 64},
			&plan.Str{Addr: m.last("abcd"), Len: num(400), Max: 4},
		}
		got := stored(t, f, text(64), exprs, map[plan.Counter]uint64{plan.CountUnreadable: 5, plan.CountTruncated: 1})
		for i, want := range []string{"", "", "", "", "", "bcd", "", "", "", "abcd"} {
			if !bytes.Equal(got[i], padded(want, 64)) {
				t.Errorf("text %d: %q, want %q", i, got[i], want)
			}
		}
	})
}

func TestTextsMoveBetweenMapsVariablesAndLiterals(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		m := newMemory(t)
		long := strings.Repeat("abcdefghij", 20)
		address := m.put(long + "\x00")
		a, b := &plan.VarRef{Var: 0, T: text(16)}, &plan.VarRef{Var: 1, T: text(200)}
		before := []plan.Stmt{
			&plan.SetVar{Var: 0, X: &plan.Text{S: "short"}},
			&plan.SetVar{Var: 1, X: &plan.Str{Addr: address, Max: 200}},
			&plan.MapSet{Map: 0, Key: []plan.Expr{num(0)}, X: &plan.Text{S: "first"}},
		}
		exprs := []plan.Expr{
			&plan.MapGet{Map: 0, Key: []plan.Expr{num(0)}, T: text(20)},
			&plan.Text{S: "a literal"},
			&plan.Text{S: strings.Repeat("x", 50)},
			a, b,
			&plan.MapGet{Map: 0, Key: []plan.Expr{num(77)}, T: text(20)},
			&plan.Choose{C: num(1), X: a, Y: b, T: text(200)},
			&plan.Choose{C: num(0), X: a, Y: b, T: text(200)},
			&plan.Value{B: plan.Comm, T: text(16)},
		}
		got := stored(t, f, text(20), exprs, nil, before...)
		comm := strings.TrimSpace(read(t, "/proc/thread-self/comm"))
		for i, want := range []string{"first", "a literal", strings.Repeat("x", 20), "short", long[:20], "", "short", long[:20], comm} {
			if !bytes.Equal(got[i], padded(want, 24)) {
				t.Errorf("text %d: %q, want %q", i, got[i], want)
			}
		}
	})
}

func TestTextsCompare(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		m := newMemory(t)
		texts := []string{"", "a", "abc", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgX", strings.Repeat("z", 63), strings.Repeat("z", 64), strings.Repeat("z", 65)}
		var exprs []plan.Expr
		var want []bool
		var names []string
		add := func(name string, e plan.Expr, v bool) {
			exprs, want, names = append(exprs, e), append(want, v), append(names, name)
		}
		for _, x := range texts {
			user := &plan.Str{Addr: m.put(x + "\x00"), Max: 80}
			for _, y := range texts {
				add(fmt.Sprintf("%q == %q", x, y), &plan.Binary{Op: "==", X: user, Y: &plan.Text{S: y}, T: long}, x == y)
				add(fmt.Sprintf("%q != %q", y, x), &plan.Binary{Op: "!=", X: &plan.Text{S: y}, Y: user, T: long}, x != y)
				n := 4
				add(fmt.Sprintf("strncmp %q %q", x, y), &plan.StrCmp{X: user, Y: &plan.Text{S: y}, N: n}, x[:min(len(x), n)] != y[:min(len(y), n)])
			}
		}
		one, other := &plan.Str{Addr: m.put("abcdefghijk\x00"), Max: 64}, &plan.Str{Addr: m.put("abcdefghijk\x00"), Max: 11}
		add("sizes differ", &plan.Binary{Op: "==", X: one, Y: other, T: long}, true)
		add("sizes differ, texts too", &plan.Binary{Op: "==", X: &plan.Str{Addr: m.put("abcdefghijkl\x00"), Max: 64}, Y: other, T: long}, false)
		for from := 0; from < len(exprs); from += 100 {
			to := min(from+100, len(exprs))
			got := stored(t, f, long, exprs[from:to], nil)
			for i := range got {
				if v := binary.NativeEndian.Uint64(got[i]) == 1; v != want[from+i] {
					t.Errorf("%s: %v", names[from+i], v)
				}
			}
		}
	})
}

func TestBuffersTuplesAndSymbolsHaveTheirLayout(t *testing.T) {
	f := features(t)
	m := newMemory(t)
	buf := plan.Type{Kind: plan.BytesType, Size: 10}
	tuple := plan.Type{Kind: plan.TupleType, Elems: []plan.Type{long, text(6), buf, {Kind: plan.UsymType, Size: 16}}}
	e := &plan.TupleOf{T: tuple, Elems: []plan.Expr{num(-5), &plan.Text{S: "abcdefgh"},
		&plan.Buf{Addr: m.put("01\x0034567"), Len: num(7), Max: 10}, &plan.SymOf{X: num(0x1234)}}}
	got := stored(t, f, tuple, []plan.Expr{e, &plan.MapGet{Map: 0, Key: []plan.Expr{num(0)}, T: tuple}}, nil)
	var want []byte
	want = binary.NativeEndian.AppendUint64(want, 1<<64-5)
	want = append(want, padded("abcdef", 8)...)
	want = binary.NativeEndian.AppendUint64(want, 7)
	want = append(want, padded("01\x003456", 16)...)
	want = binary.NativeEndian.AppendUint64(want, 0x1234)
	want = binary.NativeEndian.AppendUint64(want, uint64(unix.Getpid()))
	for i := range got {
		if !bytes.Equal(got[i], want) {
			t.Errorf("tuple %d: %x, want %x", i, got[i], want)
		}
	}
}

func TestLoadsExtendAndCountWhatTheyCannotRead(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		m := newMemory(t)
		at := m.put("\xfe\xff\xff\xff\xff\xff\xff\xff\x80")
		var exprs []plan.Expr
		var want []int64
		for _, size := range []int{1, 2, 4, 8} {
			exprs = append(exprs, &plan.Load{Addr: at, Size: size, T: plan.Type{Kind: plan.IntType, Size: size, Signed: true}},
				&plan.Load{Addr: at, Size: size, T: plan.Type{Kind: plan.IntType, Size: size}})
			want = append(want, -2, int64(^uint64(1)<<(64-8*size)>>(64-8*size)))
		}
		exprs = append(exprs, &plan.Load{Addr: m.at(4093), Size: 4, T: long}, &plan.Load{Addr: num(0), Size: 8, T: long})
		want = append(want, 0, 0)
		got := stored(t, f, long, exprs, map[plan.Counter]uint64{plan.CountUnreadable: 2})
		for i := range exprs {
			if v := int64(binary.NativeEndian.Uint64(got[i])); v != want[i] {
				t.Errorf("load %d: %d, want %d", i, v, want[i])
			}
		}
	})
}
