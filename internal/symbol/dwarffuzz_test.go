package symbol

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// mutation changes a byte of a DWARF section of a program.
func mutated(program []byte, f *File, section, at uint16, change byte) []byte {
	names := []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_loclists", ".debug_rnglists", ".debug_str", ".debug_addr", ".debug_line_str", ".debug_loc", ".debug_ranges"}
	s := f.ELF().Section(names[int(section)%len(names)])
	if s == nil || s.FileSize == 0 || s.Offset+s.FileSize > uint64(len(program)) {
		return program
	}
	out := append([]byte(nil), program...)
	out[s.Offset+uint64(at)%s.FileSize] ^= change
	return out
}

// interrogate asks everything of a program's debug information.
func interrogate(t *testing.T, program []byte) {
	interrogateIn(t, filepath.Join(t.TempDir(), "program"), program)
}

func interrogateIn(t *testing.T, path string, program []byte) {
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	fns := f.Functions()
	for i := range fns {
		if sig, _ := f.Signature(&fns[i]); sig != nil {
			_ = sig.String(fns[i].Name)
			ctype.Place(sig)
		}
		f.Line(fns[i].Addr)
		f.Inlines(fns[i].Addr + 4)
		f.LinesOf(&fns[i])
		f.SplitTypes(&fns[i])
	}
	f.Lines("abi.c", 10)
	f.Inlined("use")
	f.TypeNamed("struct node")
	f.GoType(0x4000)
	f.DynamicType(0x4000)
}

// FuzzDebugInfo: whatever stands in the sections of debug information, reading them ends, in time and without a panic.
func FuzzDebugInfo(f *testing.F) {
	var programs [][]byte
	var files []*File
	for _, build := range [][]string{
		{"abi/abi.c", "-no-pie", "-w", "-gz=none"}, {"abi/abi.cc", "-no-pie", "-w", "-gz=none", "-gdwarf-4"},
	} {
		path := fixture.Build(f, build[0], build[1:]...)
		program, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		file, err := Open(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { file.Close() })
		programs, files = append(programs, program), append(files, file)
	}
	for i := range uint16(10) {
		f.Add(uint8(i), i, i*977, byte(1<<(i%8)), i, i*31, byte(0xff))
	}
	f.Fuzz(func(t *testing.T, which uint8, section, at uint16, change byte, section2, at2 uint16, change2 byte) {
		n := int(which) % len(programs)
		program := mutated(programs[n], files[n], section, at, change)
		program = mutated(program, files[n], section2, at2, change2)
		start := time.Now()
		interrogate(t, program)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// FuzzSplitDebugInfo: the same of what stands in .dwo files and packages beside the program.
func FuzzSplitDebugInfo(f *testing.F) {
	type split struct{ program, part, name string }
	var splits []split
	for _, version := range []string{"-gdwarf-4", "-gdwarf-5"} {
		program := splitBuild(f, "abi/inlined.c", "clang", "-O2", "-gsplit-dwarf", version)
		part := filepath.Join(filepath.Dir(program), "part.dwo")
		packed := packed(f, "llvm-dwp", program)
		splits = append(splits, split{program, part, "part.dwo"}, split{packed, packed + ".dwp", "program.dwp"})
	}
	for i := range uint32(12) {
		f.Add(uint8(i), i*677, byte(1<<(i%8)), i*i*31, byte(0xff))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint32, change byte, at2 uint32, change2 byte) {
		s := splits[int(which)%len(splits)]
		dir := t.TempDir()
		program, err := os.ReadFile(s.program)
		if err != nil {
			t.Fatal(err)
		}
		part, err := os.ReadFile(s.part)
		if err != nil {
			t.Fatal(err)
		}
		part[int(at)%len(part)] ^= change
		part[int(at2)%len(part)] ^= change2
		// The compiler's own file must not be found instead.
		program = bytes.ReplaceAll(program, []byte(filepath.Dir(s.program)), bytes.Repeat([]byte("/"), len(filepath.Dir(s.program))))
		if err := os.WriteFile(filepath.Join(dir, s.name), part, 0o644); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		interrogateIn(t, filepath.Join(dir, "program"), program)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
