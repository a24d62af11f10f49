package resolve

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

func TestRegistersHaveTheNumbersOfInstructions(t *testing.T) {
	for r, want := range map[ctype.Register]site.Registers{
		ctype.RAX: 1, ctype.RCX: 2, ctype.RDX: 4, ctype.RBX: 8, ctype.RSP: 16, ctype.RBP: 32, ctype.RSI: 64, ctype.RDI: 128,
		ctype.R8: 256, ctype.R11: 1 << 11, ctype.R15: 1 << 15, ctype.XMM0: 0,
	} {
		if got := numbered(r); got != want {
			t.Errorf("%v: %#x, want %#x", r, got, want)
		}
	}
}

func TestAnEntryMovesOnlyPastWhatNoProbeOfItsPlaceReads(t *testing.T) {
	program := fixture.Build(t, "resolve/later.c", "-fcf-protection=none")
	for body, moves := range map[string]bool{
		"uprobe:PROG:later { @ = count(); }":                                                   true,
		"uprobe:PROG:later /arg0 > 1/ { @[arg1] = count(); }":                                  true,
		`uprobe:PROG:later { printf("%d %d\n", arg0, arg1); }`:                                 true,
		`uprobe:PROG:later { printf("%d %d\n", arg0, arg2); }`:                                 false,
		"uprobe:PROG:later { @[arg2] = count(); }":                                             false,
		"uprobe:PROG:later /arg2 > 1/ { @ = count(); }":                                        false,
		`uprobe:PROG:later { $x = reg("dx"); @ = sum($x); }`:                                   false,
		"uprobe:PROG:later { @ = count(); } uprobe:PROG:later { @b[arg2] = count(); }":         false,
		"uprobe:PROG:later { @ = count(); } uprobe:PROG:later+5 { @b = count(); }":             false,
		"uretprobe:PROG:later { @ = count(); }":                                                false,
		"uprobe:PROG:later { @ = count(); } uretprobe:PROG:later { @b = sum((int32)retval); }": false,
	} {
		s, err := script.Parse(strings.ReplaceAll(body, "PROG", program))
		if err != nil {
			t.Fatal(err)
		}
		objects := NewObjects()
		p, err := Resolve(s, Scope{Objects: objects})
		objects.Close()
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		entry := p.Probes[0].Sites[0]
		if moved := entry.Choice.Offset == 5; moved != moves || entry.Addr != p.Functions[entry.Function].Addr+symbol.Addr(entry.Choice.Offset) {
			t.Errorf("%s: the entry is at +%d, %s", body, entry.Choice.Offset, entry.Instruction)
		}
	}
}
