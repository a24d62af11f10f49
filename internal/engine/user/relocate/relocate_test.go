package relocate

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/site"
)

const (
	base = 0x400100
	to   = 0x500000
)

func raw(t *testing.T, text string) []byte {
	t.Helper()
	code, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// What is moved does the same at its new place: each case gives the pieces of the copy, at 0x500000 and what follows.
func TestInstructionsAreMoved(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   string
		sites  []uint64
		window string
		pieces []string
	}{
		{"whole instructions up to five bytes", "55 4889e5 53 c3", []uint64{0}, "55 4889e5 53", []string{"", "55 4889e5 53 e9fb00f0ff"}},
		{"one of five bytes", "b801000000 c3", []uint64{0}, "b801000000", []string{"", "b801000000 e9fb00f0ff"}},
		{"operand relative to rip", "488b0500100000 c3", []uint64{0}, "488b0500100000", []string{"", "488b050011f0ff e9fb00f0ff"}},
		{"the same with an immediate behind", "c70500100000 2a000000 c3", []uint64{0}, "c70500100000 2a000000", []string{"", "c7050011f0ff 2a000000 e9fb00f0ff"}},
		{"short conditional jump", "4839c8 7410 c3 90909090909090909090909090909090 c3", []uint64{0}, "4839c8 7410", []string{"", "4839c8 0f840c01f0ff e9f700f0ff"}},
		{"long conditional jump", "0f8500010000 c3", []uint64{0}, "0f8500010000", []string{"", "0f850002f0ff e9fb00f0ff"}},
		{"jump ends it", "e900010000", []uint64{0}, "e900010000", []string{"", "e90002f0ff"}},
		{"short jump and padding", "eb0e 9090909090909090909090909090 c3", []uint64{0}, "eb0e", []string{"", "e90b01f0ff"}},
		{"call returns to the original", "e800100000 c3", []uint64{0}, "e800100000", []string{"", "488d6424f8 c7042405014000 c744240400000000 e9ec10f0ff"}},
		{"call through memory", "ff1500100000 c3", []uint64{0}, "ff1500100000", []string{"", "488d6424f8 c7042406014000 c744240400000000 ff25ec10f0ff"}},
		{"ret with what comes before", "31c0 4883c408 5b c3", []uint64{7}, "4883c408 5b c3", nil},
		{"ret with padding", "b801000000 c3 cccccccccccccccccccc", []uint64{5}, "c3", []string{"", "c3"}},
		{"entry and ret in one", "89f8 c3 cccccccccccccccccccccccccc", []uint64{0, 2}, "89f8 c3", []string{"", "89f8", "c3"}},
		{"entry and ret side by side", "b801000000 c3 cccccccccccccccccccc", []uint64{0, 5}, "b801000000", []string{"", "b801000000 e9fb00f0ff"}},
	} {
		f := &Function{Addr: base, Code: raw(t, c.code)}
		windows, refused := Plan(f, choices(c.sites))
		if len(refused) > 0 || len(windows) == 0 {
			t.Errorf("%s: refused: %v", c.name, refused)
			continue
		}
		w := windows[0]
		if want := raw(t, c.window); !bytes.Equal(w.Bytes, want) {
			t.Errorf("%s: window % x, want % x", c.name, w.Bytes, want)
		}
		at := uint64(to)
		for n, want := range c.pieces {
			got, err := w.Emit(n, at)
			if err != nil || !bytes.Equal(got, raw(t, want)) {
				t.Errorf("%s, piece %d: % x (%v), want %s", c.name, n, got, err, want)
			}
			at += uint64(len(got))
		}
	}
}

func choices(offsets []uint64) []site.Choice {
	var out []site.Choice
	for _, o := range offsets {
		out = append(out, site.Choice{Offset: o})
	}
	return out
}

// What cannot be moved, or overwritten, is refused with the reason.
func TestRefusalsNameTheReason(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Function
		site site.Choice
		says string
	}{
		{"branch into the window", Function{Code: raw(t, "55 4889e5 ffc7 ebf8 c3")}, site.Choice{}, ""},
		{"branch to the second instruction", Function{Code: raw(t, "55 4889e5 ffc7 ebf9 c3")}, site.Choice{}, "a branch leads to +0x1"},
		{"branch from the cold part", Function{Code: raw(t, "55 4889e5 ffc7 c3"), Cold: []site.Part{{Start: 0x100, Code: raw(t, "e9fffeffff")}}}, site.Choice{}, "a branch leads to +0x4"},
		{"landing pad", Function{Code: raw(t, "55 4889e5 ffc7 c3"), Landings: []int64{4}}, site.Choice{}, "a branch leads to +0x4"},
		{"address taken", Function{Code: raw(t, "55 4889e5 ffc7 488d05f3ffffff c3")}, site.Choice{}, ""},
		{"address taken inside", Function{Code: raw(t, "55 4889e5 ffc7 488d05f4ffffff c3")}, site.Choice{}, "a branch leads to +0x1"},
		{"system call", Function{Code: raw(t, "b83c 000000 0f05 c3")}, site.Choice{Offset: 5}, "is a system call"},
		{"system call second", Function{Code: raw(t, "31c0 0f05 c3")}, site.Choice{}, "is a system call"},
		{"trap", Function{Code: raw(t, "0f0b 9090909090")}, site.Choice{}, "is a trap"},
		{"breakpoint", Function{Code: raw(t, "90 cc 90909090 c3")}, site.Choice{}, "is a trap"},
		{"loop", Function{Code: raw(t, "e2fe 90909090 c3")}, site.Choice{}, "jumps by a counter"},
		{"jrcxz", Function{Code: raw(t, "e302 90909090 c3")}, site.Choice{}, "jumps by a counter"},
		{"call that is not last", Function{Code: raw(t, "ffd0 31c0 31c9 c3")}, site.Choice{}, "too short"},
		{"call through the stack", Function{Code: raw(t, "ff542408 31c9 c3")}, site.Choice{}, "stack pointer"},
		{"too short", Function{Code: raw(t, "31c0 c3")}, site.Choice{}, "too short"},
		{"too short, with a neighbour", Function{Code: raw(t, "31c0 c3"), After: raw(t, "554889e5")}, site.Choice{}, "too short"},
		{"cut off", Function{Code: raw(t, "488b05")}, site.Choice{}, "cannot be told"},
		{"no instruction", Function{Code: raw(t, "06 9090909090")}, site.Choice{}, "cannot be told"},
		{"middle of an instruction", Function{Code: raw(t, "b801000000 c3")}, site.Choice{Offset: 2}, "no instruction begins"},
		{"returns twice", Function{Name: "vfork", Code: raw(t, "b801000000 c3 cccccccccccccccccccc")}, site.Choice{Offset: 5, Role: site.Ret}, "more than once"},
		{"setjmp with a version", Function{Name: "_setjmp@@GLIBC_2.2.5", Code: raw(t, "b801000000 c3 cccccccccccccccccccc")}, site.Choice{Offset: 5, Role: site.Ret}, "more than once"},
		{"known by its bytes", Function{Name: "__restore_rt", Code: raw(t, "48c7c00f000000 0f05")}, site.Choice{}, "recognised by its bytes"},
		{"known by its addresses", Function{Name: "__syscall_cp_asm", Code: raw(t, "8b07 85c0 7524 4989fb 4889f0 0f05 c3")}, site.Choice{}, "recognised by the addresses"},
		{"cancelled anywhere", Function{Name: "__pthread_disable_asynccancel", Code: raw(t, "b801000000 c3")}, site.Choice{}, "clean-ups would be missed"},
		{"a stack of its own", Function{Name: "runtime.mcall", Code: raw(t, "b801000000 c3 cccccccccccccccccccc")}, site.Choice{Offset: 5, Role: site.Ret}, "between stacks"},
		{"page", Function{Addr: 0x400ffd, Code: raw(t, "b801000000 c3")}, site.Choice{}, "cross a page"},
		{"jump of unknown target", Function{Code: raw(t, "4889c8 ffe0 6690 488b4708 c3")}, site.Choice{Offset: 11}, "a jump whose targets cannot be read"},
	} {
		f := c.f
		if f.Addr == 0 {
			f.Addr = base
		}
		windows, refused := Plan(&f, []site.Choice{c.site})
		switch {
		case c.says == "" && len(refused) == 0:
		case len(refused) != 1 || c.says == "" || !strings.Contains(refused[0].Why, c.says):
			t.Errorf("%s: %v, windows %+v, want %q", c.name, refused, windows, c.says)
		}
	}
}

// A thread that stands inside a window goes on at the copy of the same instruction; before a site, at what the site runs.
func TestThreadsInsideAWindowAreMoved(t *testing.T) {
	f := &Function{Addr: base, Code: raw(t, "31c0 5b 5d c3 6690")}
	windows, refused := Plan(f, choices([]uint64{4}))
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	got := windows[0].Moves([]uint64{0x1000, 0x3000}, []uint64{0x2000})
	want := []Move{{2, 0x1002}, {3, 0x1003}, {4, 0x2000}}
	if len(windows[0].Bytes) == 3 {
		want = []Move{{1, 0x1001}, {2, 0x2000}}
	}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// A copy more than 2 GiB away from what it refers to is an error and no wrong code.
func TestCopyOutOfReachIsAnError(t *testing.T) {
	for _, code := range []string{"488b0500100000 c3", "e900010000", "e800100000 c3", "0f8500010000 c3", "b801000000 c3"} {
		windows, refused := Plan(&Function{Addr: base, Code: raw(t, code)}, choices([]uint64{0}))
		if len(refused) > 0 {
			t.Fatal(refused)
		}
		if out, err := windows[0].Emit(1, base+1<<32); err == nil {
			t.Errorf("%s: % x", code, out)
		}
	}
}

// The places that a switch leads to are read from its table: a window over one is refused.
func TestTargetsOfASwitchAreRead(t *testing.T) {
	// lea table(%rip),%rdx; movslq (%rdx,%rdi,4),%rax; add %rdx,%rax; jmp *%rax; mov %esi,%eax; pop %rbx; ret
	code := raw(t, "488d15f90f0000 486304ba 4801d0 ffe0 89f0 89f8 5b c3 0f1f00")
	table := uint64(base + 0x1000)
	read := func(entry int64) func(uint64, []byte) bool {
		return func(addr uint64, buf []byte) bool {
			if addr != table || len(buf) != 4 {
				return false
			}
			d := uint32(int64(base) + entry - int64(table))
			copy(buf, []byte{byte(d), byte(d >> 8), byte(d >> 16), byte(d >> 24)})
			return true
		}
	}
	for entry, ok := range map[int64]bool{16: true, 18: false} {
		_, refused := Plan(&Function{Addr: base, Code: code[:22], Read: read(entry)}, choices([]uint64{21}))
		if (len(refused) == 0) != ok {
			t.Errorf("table leads to +%d: %v", entry, refused)
		}
	}
}
