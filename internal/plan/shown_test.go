package plan

import (
	"encoding/binary"
	"syscall"
	"testing"
	"time"
)

// TestNumbersThatStandForSomethingReadAsIt: times, errors and addresses are what date, strerror and inet_ntop make of them.
func TestNumbersThatStandForSomethingReadAsIt(t *testing.T) {
	clock := Clock{Wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Mono: 1e9}
	d := NewDecoder(&Plan{}, clock, nil)
	at := func(format string) Type { return Type{Kind: IntType, Size: 8, Shown: ShownTime, Format: format} }
	failure := Type{Kind: IntType, Size: 8, Signed: true, Shown: ShownError}
	inet := InetType()
	v6 := func(b ...byte) []uint64 {
		b = append(b, make([]byte, 16-len(b))...)
		return []uint64{syscall.AF_INET6, binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	}
	for _, c := range []struct {
		t     Type
		words []uint64
		want  string
	}{
		{at("%F %H:%M:%S.%f"), []uint64{1e9 + 25e7}, "2026-01-02 03:04:05.250000"},
		{at("%T"), []uint64{0}, "03:04:04"},
		{failure, []uint64{0}, "Success"},
		{failure, []uint64{uint64(syscall.ENOENT)}, "No such file or directory"},
		{failure, []uint64{133}, "Memory page has hardware error"},
		{failure, []uint64{9999}, "Unknown error 9999"},
		{failure, []uint64{1<<64 - 1}, "Unknown error -1"},
		{inet, []uint64{syscall.AF_INET, 0x0100007f, 0}, "127.0.0.1"},
		{inet, v6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1), "2001:db8::1:0:0:1"},
		{inet, v6(), "::"},
		{inet, v6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), "::1"},
		{inet, v6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4), "::1.2.3.4"},
		{inet, v6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4), "::ffff:1.2.3.4"},
		{inet, []uint64{77, 0, 0}, "family 77"},
	} {
		var b []byte
		for _, w := range c.words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		if got := d.part(c.t, b, 0); got.Str != c.want {
			t.Errorf("%v of %x: %q, not %q", c.t.Shown, c.words, got.Str, c.want)
		}
	}
}

// TestTheNumberOfNoFunctionHasNoName: what a map that has no entry gives is not the name of the first function.
func TestTheNumberOfNoFunctionHasNoName(t *testing.T) {
	d := NewDecoder(&Plan{Functions: []Function{{Name: "f"}}, Probes: []Probe{{Name: "uprobe:t:f"}}}, Clock{}, nil)
	for _, kind := range []TypeKind{FuncType, ProbeType} {
		none := d.part(Type{Kind: kind, Size: 8}, []byte{255, 255, 255, 255, 255, 255, 255, 255}, 0)
		first := d.part(Type{Kind: kind, Size: 8}, make([]byte, 8), 0)
		if none.Str != "" || first.Str == "" {
			t.Errorf("kind %d: none is %q, the first %q", kind, none.Str, first.Str)
		}
	}
}
