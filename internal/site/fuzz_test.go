package site

import (
	"errors"
	"testing"

	"github.com/sonde-project/sonde/event"
)

// Property: whatever the bytes, nothing panics, and every chosen site is the first byte of an instruction of the linear
// decoding.
func FuzzChoices(f *testing.F) {
	for _, seed := range []string{
		push + ret, endbr64 + push + ret, testDI + "\x74\x01\x90" + ret,
		"\x49\x3b\x66\x10\x76\x03" + push + "\x5d" + ret + "\xe8\x00\x10\x00\x00\xeb\xec",
		"\xc5\xf8\x77" + ret, "\x62\xf1\x7d\x48\x6f\x07" + ret, "\x8f\xe8\x78\xc0\xc0\x01", "\x3e\xff\xe0",
		"\x53\x83\xfb\x03\x77\x12\x48\x8d\x0d\x00\x01\x00\x00\x89\xd8\x48\x63\x04\x81\x48\x01\xc8\xff\xe0\xe8\x00\x10\x00\x00\x0f\x0b\x89\xd8\x5b\xc3",
		"\x53\xe8\x00\x10\x00\x00\x75\x04\x89\xd8\x5b\xc3\xe9\x00\x10\x00\x00",
	} {
		f.Add([]byte(seed), uint64(1))
	}
	f.Fuzz(func(t *testing.T, code []byte, offset uint64) {
		if len(code) > 4096 {
			return
		}
		if read := ReadArguments(code); read.Wide&^read.Read != 0 || read.Narrow&^read.Read != 0 || read.Address&^read.Read != 0 {
			t.Fatalf("what is not read is read as something: %+v", read)
		}
		insts, err := Decode(code)
		boundary := map[uint64]bool{}
		end := uint64(0)
		for _, in := range insts {
			if in.Offset != end || in.Len <= 0 || in.Len > maxInst {
				t.Fatalf("instruction at %#x, length %d, after %#x", in.Offset, in.Len, end)
			}
			boundary[in.Offset] = true
			end = in.End()
			if in.Text() == "" {
				t.Fatalf("% x has no text", in.code)
			}
		}
		if (err == nil) != (end == uint64(len(code))) {
			t.Fatalf("decoded %#x of %#x bytes: %v", end, len(code), err)
		}
		check := func(c Choice, err error) {
			if (err == nil || errors.Is(err, ErrRefused)) && !boundary[c.Offset] {
				t.Fatalf("%+v is no instruction boundary", c)
			}
		}
		for _, lang := range []event.Language{event.LangC, event.LangGo} {
			check(ChooseEntry(code, lang))
			callee := func(rel int64) string { return []string{"", "f", "runtime.deferreturn"}[uint64(rel)%3] }
			cold := []Part{{Start: -0x1000, Code: code[:len(code)/2]}}
			for _, fn := range []FnInfo{{}, {Callee: callee, Conditions: true}, {Callee: callee, Cold: cold}} {
				ends, err := ChooseReturns(code, lang, fn)
				for _, c := range ends {
					if rel := int64(c.Offset); rel >= 0 {
						check(c, nil)
					}
				}
				var partial *Partial
				if err != nil && !errors.As(err, &partial) && len(ends) > 0 {
					t.Fatalf("choices with %v", err)
				}
			}
		}
		for _, fn := range []FnInfo{{}, {Cold: []Part{{Start: -0x1000, Code: code[:len(code)/2]}}, Soon: func(int64) bool { return true },
			Read: func(rel int64, buf []byte) bool { return copy(buf, code) == len(buf) }, Part: func(rel int64) (Part, bool) { return Part{rel, code[len(code)/2:]}, true }}} {
			for ret, choices := range EarlierReturns(code, fn, Registers(offset)) {
				if rel := int64(ret); rel >= 0 && !boundary[ret] {
					t.Fatalf("a ret at %#x", ret)
				}
				for _, c := range choices {
					if c.Before == nil || c.Before.Frame <= 0 {
						t.Fatalf("%+v", c)
					}
					if rel := int64(c.Offset); rel >= 0 && c.Offset < uint64(len(code)) {
						check(c, nil)
					}
				}
			}
		}
		check(At(code, offset))
	})
}
