package symbol

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestOffsetAndAddrOfAreInverse(t *testing.T) {
	for name, path := range programs(t) {
		f := open(t, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Functions() {
			fn := &f.Functions()[i]
			offset, err := f.Offset(fn.Addr)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if back, ok := f.AddrOf(offset); !ok || back != fn.Addr {
				t.Fatalf("%s: %v is at %#x, which is %v", name, fn.Addr, offset, back)
			}
			code, err := f.Code(fn)
			if err != nil || len(code) == 0 {
				t.Fatalf("%s: %s: %d bytes, %v", name, fn.Name, len(code), err)
			}
			if !bytes.Equal(code, data[offset:int(offset)+len(code)]) {
				t.Fatalf("%s: %s: code is not that of the file", name, fn.Name)
			}
		}
	}
}

func TestAddressesOutsideOfTheFileHaveNoOffset(t *testing.T) {
	f := open(t, cProgram(t))
	last := f.Segments()[len(f.Segments())-1]
	for _, addr := range []Addr{last.Addr + Addr(last.Filesz), last.Addr + Addr(last.Memsz) + pageSize, 0xdeadbeef0000, ^Addr(0)} {
		if offset, err := f.Offset(addr); err == nil {
			t.Errorf("%v has offset %#x", addr, offset)
		}
		if err := f.ReadAt(addr, make([]byte, 1)); err == nil {
			t.Errorf("%v can be read", addr)
		}
	}
	if _, ok := f.AddrOf(1 << 40); ok {
		t.Error("an offset beyond the file has an address")
	}
	if _, err := f.Code(&Function{Addr: 0xdeadbeef0000, Size: 16}); err == nil {
		t.Error("there is code where no segment is")
	}
}

func TestAFunctionWithoutSizeEndsAtTheNext(t *testing.T) {
	f := open(t, cProgram(t))
	found, err := f.Find(Pattern{Text: "bare_label"})
	if err != nil || len(found) != 1 || found[0].Size != 0 {
		t.Fatal(found, err)
	}
	code, err := f.Code(found[0])
	if want := []byte{0x8d, 0x47, 0x01, 0xc3}; err != nil || !bytes.Equal(code, want) { // lea 1(%rdi),%eax; ret
		t.Errorf("code % x, %v", code, err)
	}
	fn, offset, ok := f.At(found[0].Addr + 3)
	if !ok || fn != found[0] || offset != 3 {
		t.Errorf("At gives %v, %d, %v", fn, offset, ok)
	}
}

func TestAtGivesOnlyWhatCoversTheAddress(t *testing.T) {
	f := open(t, cProgram(t))
	for i := range f.Functions() {
		fn := &f.Functions()[i]
		if fn.Size == 0 {
			continue
		}
		for _, offset := range []uint64{0, fn.Size / 2, fn.Size - 1} {
			if got, into, ok := f.At(fn.Addr + Addr(offset)); !ok || got != fn || into != offset {
				t.Errorf("%s+%d: %v+%d, %v", fn.Name, offset, got, into, ok)
			}
		}
		if got, _, ok := f.At(fn.Addr + Addr(fn.Size)); ok && got == fn {
			t.Errorf("%s covers the byte after it", fn.Name)
		}
	}
	if fn, _, ok := f.At(0); ok {
		t.Errorf("%s covers address 0", fn.Name)
	}
}

func TestBiasIsThatOfARunningProgram(t *testing.T) {
	// The program's own maps, and where it says its function is.
	path := fixture.Build(t, "c/where.c")
	out, err := exec.Command(path).Output()
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	found, err := f.Find(Pattern{Text: "here"})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	first, maps, _ := strings.Cut(string(out), "\n")
	pc, err := strconv.ParseUint(strings.TrimPrefix(first, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, line := range strings.Split(maps, "\n") {
		columns := strings.Fields(line)
		if len(columns) < 6 || columns[5] != path {
			continue
		}
		low, _, _ := strings.Cut(columns[0], "-")
		start, err1 := strconv.ParseUint(low, 16, 64)
		offset, err2 := strconv.ParseUint(columns[2], 16, 64)
		if err1 != nil || err2 != nil {
			t.Fatal(line)
		}
		if columns[1][2] != 'x' {
			continue
		}
		bias, ok := f.Bias(Mapping{Start: PC(start), Offset: Offset(offset), Exec: true})
		if seen++; !ok || found[0].Addr.PC(bias) != PC(pc) || PC(pc).Addr(bias) != found[0].Addr {
			t.Errorf("%s: bias %#x, %v", line, bias, ok)
		}
	}
	if seen == 0 {
		t.Errorf("no mapping of %s in %s", path, maps)
	}
}
