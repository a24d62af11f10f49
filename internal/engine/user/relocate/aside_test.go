package relocate

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sonde-project/sonde/internal/site"
)

// A window begins behind the first instruction where that one changes nothing but the stack pointer, nothing else leads there, and five bytes follow.
func TestWindowsLieBehindTheFirstInstruction(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   string
		sites  []site.Choice
		window string
		addr   uint64
		lower  []int64
	}{
		{"push", "55 4889e5 4883ec10 c3", []site.Choice{{}}, "4889e5 4883ec10", base + 1, []int64{8}},
		{"push of another register", "4154 4989fc 31c0 c3", []site.Choice{{}}, "4989fc 31c0", base + 2, []int64{8}},
		{"room on the stack", "4883ec18 31c0 31c9 31d2 c3", []site.Choice{{}}, "31c0 31c9 31d2", base + 4, []int64{24}},
		{"a lot of room on the stack", "4881ec00010000 31c0 31c9 31d2 c3", []site.Choice{{}}, "31c0 31c9 31d2", base + 7, []int64{256}},
		{"test", "85ff 31c0 31c9 31d2 c3", []site.Choice{{}}, "31c0 31c9 31d2", base + 2, []int64{0}},
		{"compare", "4883ff0a 31c0 31c9 31d2 c3", []site.Choice{{}}, "31c0 31c9 31d2", base + 4, []int64{0}},
		{"endbr64", "f30f1efa 55 4889e5 31c0 c3", []site.Choice{{}}, "55 4889e5 31c0", base + 4, []int64{0}},
		{"two sites", "55 4889e5 4883ec10 c3", []site.Choice{{}, {}}, "4889e5 4883ec10", base + 1, []int64{8, 8}},
		{"a site behind it", "55 4889e5 4883ec10 c3", []site.Choice{{Offset: 1, Role: site.Inside}, {}}, "4889e5 4883ec10", base + 1, []int64{8, 0}},
		{"with the end", "53 31c0 5b c3 cccccccccccccccccccc", []site.Choice{{}, {Offset: 4, Role: site.Ret}}, "31c0 5b c3", base + 1, []int64{8, 0}},
		{"a register", "4889fb 31c0 31c9 c3", []site.Choice{{}}, "4889fb 31c0", base, []int64{0}},
		{"memory", "803f00 31c0 31c9 c3", []site.Choice{{}}, "803f00 31c0", base, []int64{0}},
		{"push of memory", "ff37 31c0 31c9 c3", []site.Choice{{}}, "ff37 31c0 31c9", base, []int64{0}},
		{"a call", "e800100000 31c0 31c9 31d2 c3", []site.Choice{{}}, "e800100000", base, []int64{0}},
		{"too short behind it", "53 31c0 5b c3", []site.Choice{{}}, "53 31c0 5b c3", base, []int64{0}},
		{"a site at another instruction", "55 4889e5 4883ec10 c3", []site.Choice{{Offset: 4, Role: site.Inside}}, "4883ec10 c3", base + 4, []int64{0}},
	} {
		windows, refused := Plan(&Function{Addr: base, Code: raw(t, c.code), Aside: true}, c.sites)
		if len(refused) > 0 || len(windows) != 1 {
			t.Errorf("%s: %d windows, refused: %v", c.name, len(windows), refused)
			continue
		}
		w := windows[0]
		if w.Addr != c.addr || !bytes.Equal(w.Bytes, raw(t, c.window)) || !slices.Equal(w.Lower, c.lower) {
			t.Errorf("%s: window %#x, % x, lower %v", c.name, w.Addr, w.Bytes, w.Lower)
		}
		if w.Aside != (c.addr > base && c.sites[len(c.sites)-1].Offset == 0 || len(c.sites) == 2) {
			t.Errorf("%s: aside %v", c.name, w.Aside)
		}
	}
}

// What is possible only with the first instruction in the window is done with it.
func TestWindowsTakeTheFirstInstructionWhereTheyMust(t *testing.T) {
	for _, c := range []struct {
		name  string
		f     Function
		sites []site.Choice
	}{
		{"a loop to the second", Function{Code: raw(t, "4881ec00010000 ffcf 75fc 4881c400010000 c3")}, []site.Choice{{}}},
		{"a call in the middle", Function{Code: raw(t, "4883ec08 31c0 e800100000 31c9 c3")}, []site.Choice{{}}},
		{"something unmovable behind", Function{Code: raw(t, "4154 4989fc 8b07 415c c3"), Refuse: func(code []byte) string {
			if bytes.Contains(code, []byte{0x8b, 0x07}) {
				return "no"
			}
			return ""
		}}, []site.Choice{{}}},
	} {
		c.f.Addr, c.f.Aside = base, true
		windows, refused := Plan(&c.f, c.sites)
		if len(refused) > 0 || len(windows) != 1 || windows[0].Addr != base && c.name != "a call in the middle" {
			t.Errorf("%s: %d windows, refused: %v", c.name, len(windows), refused)
		}
	}
}
