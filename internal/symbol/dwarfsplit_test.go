package symbol

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// splitBuild compiles in a folder of its own and gives the program; the .dwo files lie beside it.
func splitBuild(t testing.TB, source, compiler string, flags ...string) string {
	t.Helper()
	fixture.Need(t, compiler)
	dir := t.TempDir()
	run := func(argv ...string) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
		}
	}
	run(append([]string{compiler, "-c", "-w", "-g", "-o", "part.o", inFixtures(source)}, flags...)...)
	run(append([]string{"clang", "-c", "-O2", "-g", "-gsplit-dwarf", "-o", "first.o", inFixtures("valuetable/c.c"), "-w"}, slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return !strings.HasPrefix(f, "-gdwarf-") })...)...)
	run(compiler, "-no-pie", "-o", "program", "part.o", "-lm", "-lpthread", "-ldl")
	return filepath.Join(dir, "program")
}

// everything writes down what debug information says of all functions.
func everything(t testing.TB, f *File) []string {
	t.Helper()
	var all []string
	fns := f.Functions()
	for i := range fns {
		fn := &fns[i]
		if fn.Size == 0 {
			continue
		}
		text := fmt.Sprintf("%s at %#x:", fn.Name, uint64(fn.Addr))
		if sig, _ := f.Signature(fn); sig != nil {
			text += fmt.Sprintf(" %s %+v", sig.String(fn.Name), ctype.Place(sig))
		}
		file, line, _ := f.Line(fn.Addr)
		text += fmt.Sprintf(" %s:%d", file, line)
		for _, l := range f.LinesOf(fn) {
			text += fmt.Sprintf(" %#x=%s:%d %+v", uint64(l.Addr), l.File, l.Line, f.Inlines(l.Addr))
		}
		all = append(all, text)
	}
	return all
}

func TestSplitDebugInformationSaysWhatTheWholeSays(t *testing.T) {
	for _, c := range []struct {
		source, compiler string
		flags            []string
	}{
		{"abi/abi.c", "gcc", []string{"-O2"}},
		{"abi/abi.c", "clang", []string{"-O2", "-gdwarf-4"}},
		{"abi/inlined.c", "gcc", []string{"-O2", "-gdwarf-4"}},
		{"abi/inlined.c", "clang", []string{"-O2", "-gdwarf-5"}},
		{"abi/abi.cc", "g++", []string{"-O2", "-fdebug-types-section"}},
		{"abi/abi.cc", "clang++", []string{"-O2", "-gdwarf-5", "-gz"}},
		{"abi/abi.cc", "clang++", []string{"-O2", "-gdwarf-5", "-fdebug-types-section"}},
	} {
		t.Run(c.source+" "+c.compiler+" "+strings.Join(c.flags, " "), func(t *testing.T) {
			whole := splitBuild(t, c.source, c.compiler, c.flags...)
			parts := splitBuild(t, c.source, c.compiler, append(c.flags, "-gsplit-dwarf")...)
			want := everything(t, open(t, whole))
			same(t, "beside", everything(t, open(t, parts)), want)
			// Debian 12's dwp makes nothing of version 5, and its llvm-dwp does not end with what gcc makes of it.
			var packages []string
			if slices.Contains(c.flags, "-gdwarf-4") {
				packages = append(packages, packed(t, "dwp", parts))
			}
			if strings.HasPrefix(c.compiler, "clang") && !slices.Contains(c.flags, "-gz") {
				packages = append(packages, packed(t, "llvm-dwp", parts))
			}
			if err := os.Remove(filepath.Join(filepath.Dir(parts), "part.dwo")); err != nil {
				t.Fatal(err)
			}
			for _, program := range packages {
				same(t, "package", everything(t, open(t, program)), want)
			}
		})
	}
}

func same(t *testing.T, place string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d functions, want %d", place, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s:\n got %s\nwant %s", place, got[i], want[i])
		}
	}
}

// packed copies a program and puts a package beside it, in which the unit is not the first one.
func packed(t testing.TB, tool, program string) string {
	t.Helper()
	fixture.Need(t, tool)
	copied := fixture.Copy(t, program)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, part := filepath.Join(filepath.Dir(program), "first.dwo"), filepath.Join(filepath.Dir(program), "part.dwo")
	if out, err := exec.CommandContext(ctx, tool, first, part, "-o", copied+".dwp").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	return copied
}

func TestAFileOfSplitDebugInformationThatIsNotReadIsNamed(t *testing.T) {
	program := splitBuild(t, "abi/abi.c", "gcc", "-O2", "-gsplit-dwarf")
	part := filepath.Join(filepath.Dir(program), "part.dwo")
	whole, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(filepath.Dir(program), "first.dwo"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		problem string
	}{
		"removed":       {nil, "is not there"},
		"another build": {other, "is of another build"},
		"cut":           {whole[:len(whole)/2], "cannot be read: "},
		"no object":     {[]byte("#!/bin/sh\n"), "cannot be read: "},
		"empty":         {[]byte{}, "cannot be read: "},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(part)
			if c.content != nil {
				if err := os.WriteFile(part, c.content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f := open(t, program)
			fn, err := f.Find(Pattern{Text: "walk"})
			if err != nil || len(fn) != 1 {
				t.Fatal(fn, err)
			}
			if sig, err := f.Signature(fn[0]); sig != nil {
				t.Errorf("got %s, %v", sig.String("walk"), err)
			}
			if split := f.SplitTypes(fn[0]); split == nil || split.Path != part || !strings.HasPrefix(split.Problem, c.problem) {
				t.Errorf("got %+v, want %s, which %s", split, part, c.problem)
			}
		})
	}
	whole2 := open(t, fixture.Build(t, "abi/abi.c", "-g"))
	fn, _ := whole2.Find(Pattern{Text: "walk"})
	if split := whole2.SplitTypes(fn[0]); split != nil {
		t.Errorf("types that are in the program itself are in %+v", split)
	}
}

func TestAPartIsFoundBesideTheProgramThatMoved(t *testing.T) {
	program := splitBuild(t, "abi/abi.c", "gcc", "-O2", "-gsplit-dwarf")
	dir := t.TempDir()
	for _, name := range []string{"program", "part.dwo"} {
		if err := os.Rename(filepath.Join(filepath.Dir(program), name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, filepath.Join(dir, "program"))
	if sig := signatureOf(t, f, "walk"); sig == nil || sig.Source != "dwarf" {
		t.Errorf("got %v", sig)
	}
}
