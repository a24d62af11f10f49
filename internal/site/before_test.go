package site

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhatLeadsToARetIsFoundOnAllWays(t *testing.T) {
	const (
		pushBX = "\x53"
		popBX  = "\x5b"
		call   = "\xe8\x00\x10\x00\x00"
		give   = "\x89\xd8"         // mov %ebx,%eax
		load   = "\x8b\x44\x24\x04" // mov 4(%rsp),%eax
		store  = "\x89\x07"         // mov %eax,(%rdi)
		framed = push + "\x48\x89\xe5"
	)
	body := pushBX + call // 6 bytes
	// A switch over %ebx: case 2 leads to the end.
	cases := "\x83\xfb\x03\x77\x12\x48\x8d\x0d\x00\x01\x00\x00\x89\xd8\x48\x63\x04\x81\x48\x01\xc8\xff\xe0"
	for _, c := range []struct {
		name, code string
		fn         FnInfo
		unread     bool // the result is not asked for
		want       string
	}{
		{"the stack protector's jump", body + "\x75\x04" + give + popBX + ret + call, FnInfo{}, false, "+6 if 74: %ebx, rsp+8"},
		{"a frame by %rbp", framed + call + "\x75\x04" + give + "\xc9" + ret + call, FnInfo{}, false, "+9 if 74: %ebx, rbp+8"},
		{"a jump to a common end, which others run into", pushBX + testDI + "\x74\x07" + call + "\xeb\x00" + give + popBX + ret, FnInfo{}, false, "+3 if 74: %ebx, rsp+8; +a: %ebx, rsp+8"},
		{"several rets", pushBX + testDI + "\x74\x04" + give + popBX + ret + give + popBX + ret, FnInfo{}, false, "+3 if 75: %ebx, rsp+8; +3 if 74: %ebx, rsp+8"},
		{"a nop on the way", body + "\x90" + give + popBX + ret, FnInfo{}, false, "+6: %ebx, rsp+8"},
		{"a constant", body + "\x75\x04" + "\x31\xc0" + popBX + ret + call, FnInfo{}, false, "+6 if 74: 0, rsp+8"},
		{"one byte of a register", body + "\x75\x05" + "\x0f\xb6\xc3" + popBX + ret + call, FnInfo{}, false, "+6 if 74: %bl, rsp+8"},
		{"a result that lies in memory", body + "\x75\x06" + load + popBX + ret + call, FnInfo{}, false, ""},
		{"one that nobody asks for", body + "\x75\x06" + load + popBX + ret + call, FnInfo{}, true, "+6 if 74: ?, rsp+8"},
		{"falling out of a call that comes back soon", body + "\x31\xc0" + popBX + ret, FnInfo{Soon: func(rel int64) bool { return rel == 0x1006 }}, false, "+1: 0, rsp+8"},
		{"out of one that gives the result", body + popBX + ret, FnInfo{Soon: func(rel int64) bool { return true }}, false, ""},
		{"out of another one", body + "\x31\xc0" + popBX + ret, FnInfo{Soon: func(rel int64) bool { return rel == 0x1007 }}, false, ""},
		{"falling out of a call", body + give + popBX + ret, FnInfo{}, false, ""},
		{"falling out of a call, and a jump", pushBX + testDI + "\x74\x07" + call + "\x31\xdb" + give + popBX + ret, FnInfo{}, false, "+3 if 74: %ebx, rsp+8; +a: 0, rsp+8"},
		{"a store behind the jump", body + "\x75\x06" + store + give + popBX + ret + call, FnInfo{}, false, ""},
		{"a jump to where a store leads too", pushBX + testDI + "\x74\x07" + call + store + give + popBX + ret, FnInfo{}, false, ""},
		{"no frame", testDI + "\x74\x00" + give + ret, FnInfo{}, false, ""},
		{"a loop over the function's beginning", pushBX + "\x74\xfd" + popBX + ret, FnInfo{}, true, "+1 if 75: ?, rsp+8"},
		{"a jump that the kernel steps", pushBX + call + "\xe3\x00" + give + popBX + ret, FnInfo{}, false, ""},
		{"a jump to anywhere", body + "\x75\x06" + give + popBX + ret + "\xff\xe0" + call, FnInfo{}, false, ""},
		{"a call into the middle", body + "\x75\x09" + give + popBX + ret + "\xe8\xf7\xff\xff\xff" + call, FnInfo{}, false, ""},
		{"a jump out with the frame on the stack", body + "\x75\x04" + give + popBX + ret + "\xe9\x00\x10\x00\x00", FnInfo{}, false, ""},
		{"the same, when it is known what is there", body + "\x75\x04" + give + popBX + ret + "\xe9\x00\x10\x00\x00", FnInfo{Part: func(rel int64) (Part, bool) {
			return Part{rel, []byte(call + "\x0f\x0b")}, true
		}}, false, "+6 if 74: %ebx, rsp+8"},
		{"a way back from there", body + "\x75\x04" + give + popBX + ret + "\xe9\xef\x1f\x00\x00", FnInfo{Part: func(rel int64) (Part, bool) {
			return Part{rel, []byte(call + "\xe9\xfe\xdf\xff\xff")}, true
		}}, false, "+2005: %ebx, rsp+8; +6 if 74: %ebx, rsp+8"},
		{"a way back from a cold part", body + "\x75\x04" + give + popBX + ret + call, FnInfo{Cold: []Part{{-0x40, []byte("\xeb\x46")}}}, false, "+ffffffffffffffc0: %ebx, rsp+8; +6 if 74: %ebx, rsp+8"},
		{"a switch", pushBX + cases + call + "\x0f\x0b" + give + popBX + ret, FnInfo{Read: distances(0x10d, 0x18, 0x18, 0x1f, 0x18)}, false,
			"+4 if 76 and %ebx in 4: %ebx, rsp+8"},
		{"a switch that cannot be read", pushBX + cases + call + "\x0f\x0b" + give + popBX + ret, FnInfo{}, false, ""},
	} {
		var reads Registers = 1
		if c.unread {
			reads = 0
		}
		var got []string
		found := EarlierReturns([]byte(c.code), c.fn, reads)
		var rets []uint64
		for at := range found {
			rets = append(rets, at)
		}
		slices.Sort(rets)
		for _, at := range rets {
			for _, choice := range found[at] {
				got = append(got, brief(choice))
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, text, c.want)
		}
	}
}

// brief writes a site before a ret.
func brief(c Choice) string {
	b := c.Before
	text := fmt.Sprintf("+%x", c.Offset)
	if c.Cond != 0 {
		text += fmt.Sprintf(" if %x", c.Cond)
	}
	if b.Switch.Cases != 0 {
		text += fmt.Sprintf(" and %s in %x", Value{Kind: Half, Reg: b.Switch.Reg}.register(), b.Switch.Cases)
	}
	result := "?"
	switch b.Result.Kind {
	case Unknown:
	case Fixed:
		result = fmt.Sprint(b.Result.Fixed)
	default:
		if b.Result != (Value{Kind: Whole, Reg: regAX}) {
			result = b.Result.register()
		}
	}
	base := "rsp"
	if b.ByRBP {
		base = "rbp"
	}
	return fmt.Sprintf("%s: %s, %s+%d", text, result, base, b.Frame)
}

// distances answers reads at a place with a switch's table of 32-bit distances from it.
func distances(at int64, to ...int64) func(int64, []byte) bool {
	return func(rel int64, buf []byte) bool {
		if rel != at || len(buf) != 4*len(to) {
			return false
		}
		for i := range buf {
			buf[i] = byte((to[i/4] - at) >> (8 * (i % 4)))
		}
		return true
	}
}
