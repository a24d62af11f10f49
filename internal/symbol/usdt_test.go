package symbol

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

func needSDT(t *testing.T) {
	t.Helper()
	for _, header := range []string{"/usr/include/sys/sdt.h", "/usr/include/x86_64-linux-gnu/sys/sdt.h"} {
		if _, err := os.Stat(header); err == nil {
			return
		}
	}
	fixture.Need(t, "sys/sdt.h")
}

// readelfNote is one probe as readelf -n prints it.
var readelfNote = regexp.MustCompile(`Provider: (\S*)\s+Name: (\S*)\s+Location: (\S+), Base: \S+, Semaphore: (\S+)\s+Arguments: (.*)`)

func TestProbesAreThoseOfReadelf(t *testing.T) {
	needSDT(t)
	fixture.Need(t, "readelf")
	for _, path := range append(system(), fixture.Build(t, "c/usdt_symbols.c"), fixture.Build(t, "c/usdt_symbols.c", "-no-pie", "-s")) {
		out, err := exec.Command("readelf", "-nW", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, m := range readelfNote.FindAllStringSubmatch(string(out), -1) {
			want = append(want, strings.Join(m[1:], " "))
		}
		f := open(t, path)
		for _, p := range f.Notes() {
			got = append(got, fmt.Sprintf("%s %s 0x%016x 0x%016x %s", p.Provider, p.Name, uint64(p.Addr), uint64(p.Semaphore), p.Raw))
			if b := make([]byte, 1); f.ReadAt(p.Addr, b) != nil || b[0] != 0x90 {
				t.Errorf("%s: %s:%s is no nop", path, p.Provider, p.Name)
			}
			if p.Semaphore != 0 {
				if _, err := f.Offset(p.Semaphore); err != nil {
					t.Errorf("%s: semaphore of %s:%s: %v", path, p.Provider, p.Name, err)
				}
			}
			for _, a := range p.Args {
				if a.Kind == OperandUnknown && !f.Stripped() {
					t.Errorf("%s: %s:%s: %s: %s", path, p.Provider, p.Name, a.Raw, a.Problem)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d probes %q, want %d %q", path, len(got), got, len(want), want)
		}
	}
}

func TestProbeArguments(t *testing.T) {
	needSDT(t)
	f := open(t, fixture.Build(t, "c/usdt_symbols.c"))
	counter, ok := f.objectAddr("counter")
	if !ok {
		t.Fatal("no counter")
	}
	for text, want := range map[string]USDTArg{
		"-4@%edi":                 {Size: 4, Signed: true, Kind: OperandRegister, Reg: ctype.RDI, HasReg: true},
		"8@%r15":                  {Size: 8, Kind: OperandRegister, Reg: ctype.R15, HasReg: true},
		"2@%r9w":                  {Size: 2, Kind: OperandRegister, Reg: ctype.R9, HasReg: true},
		"1@%r10b":                 {Size: 1, Kind: OperandRegister, Reg: ctype.R10, HasReg: true},
		"1@%dl":                   {Size: 1, Kind: OperandRegister, Reg: ctype.RDX, HasReg: true},
		"1@%bh":                   {Size: 1, Kind: OperandRegister, Reg: ctype.RBX, HasReg: true, Shift: 8},
		"1@%sil":                  {Size: 1, Kind: OperandRegister, Reg: ctype.RSI, HasReg: true},
		"1@%bpl":                  {Size: 1, Kind: OperandRegister, Reg: ctype.RBP, HasReg: true},
		"-2@%di":                  {Size: 2, Signed: true, Kind: OperandRegister, Reg: ctype.RDI, HasReg: true},
		"%rax":                    {Size: 8, Kind: OperandRegister, Reg: ctype.RAX, HasReg: true},
		"-4@$-1":                  {Size: 4, Signed: true, Disp: -1},
		"8@$0x10":                 {Size: 8, Disp: 16},
		"8@$18446744073709551615": {Size: 8, Disp: -1},
		"8@-16(%rbp)":             {Size: 8, Kind: OperandMemory, Reg: ctype.RBP, HasReg: true, Disp: -16},
		"8@(%rax,%rbx,8)":         {Size: 8, Kind: OperandMemory, Reg: ctype.RAX, HasReg: true, Index: ctype.RBX, HasIndex: true, Scale: 8},
		"4@8(,%rcx,4)":            {Size: 4, Kind: OperandMemory, Index: ctype.RCX, HasIndex: true, Scale: 4, Disp: 8},
		"8@(%rsp)":                {Size: 8, Kind: OperandMemory, Reg: ctype.RSP, HasReg: true},
		"-4@counter(%rip)":        {Size: 4, Signed: true, Kind: OperandAddress, Addr: counter},
		"-4@8+counter(%rip)":      {Size: 4, Signed: true, Kind: OperandAddress, Addr: counter + 8},
		"-4@counter-4+2(%rip)":    {Size: 4, Signed: true, Kind: OperandAddress, Addr: counter - 2},
		"4@counter":               {Size: 4, Kind: OperandAddress, Addr: counter},
		"8f@%xmm0":                {Size: 8, Float: true, Kind: OperandUnknown, Problem: `register "xmm0"`},
		"8@nothing(%rip)":         {Size: 8, Kind: OperandUnknown, Problem: `no symbol "nothing"`},
		"3@%rax":                  {Size: 3, Kind: OperandUnknown, Problem: `size "3"`},
		"x@%rax":                  {Size: 0, Kind: OperandUnknown, Problem: `size "x"`},
		"8@(%rax,%rbx,3)":         {Size: 8, Kind: OperandUnknown, Reg: ctype.RAX, HasReg: true, Index: ctype.RBX, HasIndex: true, Scale: 3, Problem: `scale "3"`},
		"8@%fs:8":                 {Size: 8, Kind: OperandUnknown, Problem: `register "fs:8"`},
		"8@":                      {Size: 8, Kind: OperandUnknown, Problem: `no symbol ""`},
		"8@-":                     {Size: 8, Kind: OperandUnknown, Problem: `displacement "-"`},
	} {
		want.Raw = text
		if want.Scale == 0 {
			want.Scale = 1
		}
		if got := f.probeArg(text); got != want {
			t.Errorf("%s: got %+v\nwant %+v", text, got, want)
		}
	}
}
