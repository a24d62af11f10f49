package symbol

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// changed gives a copy of an ELF file with some bytes replaced.
func changed(t testing.TB, path string, at int, b ...byte) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[at:], b)
	return write(t, "changed", data)
}

func TestOpenSaysWhatAFileIsInstead(t *testing.T) {
	program := cProgram(t)
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tool", "tool"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := exec.Command("mkfifo", fifo).Run(); err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(dir, "symbols.o")
	fixture.Need(t, "gcc")
	if out, err := exec.Command("gcc", "-c", "-o", object, inFixtures("c/symbols_more.c")).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	const machine, kind, class, order = 18, 16, 4, 5
	for _, c := range []struct {
		path    string
		code    script.Code
		message string // part of it
		hint    string // part of the hints
	}{
		{filepath.Join(dir, "missing"), NoFile, "no such file", ""},
		{dir + "/tool", NotELF, "is a directory", "tool/tool"},
		{fifo, NotELF, "not a regular file", ""},
		{write(t, "empty", nil), NotELF, "is empty", ""},
		{write(t, "script", []byte("#!/usr/bin/python3 -u\nprint(1)\n")), NotELF, "script for /usr/bin/python3", "/usr/bin/python3"},
		{write(t, "script", []byte("#! /usr/bin/env -S FOO=1 node --x\n")), NotELF, "script for node", "node"},
		{write(t, "libm.so", []byte("/* GNU ld script\n*/\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libm.so.6  AS_NEEDED ( /lib/libmvec.so.1 ) )\n")), NotELF, "linker script", "/lib/libm.so.6"},
		{write(t, "lib.a", []byte("!<arch>\n")), NotELF, "not an ELF file", "static library"},
		{write(t, "text", []byte("hello\n")), NotELF, "not an ELF file", ""},
		{write(t, "a.jar", []byte("PK\x03\x04....")), NotELF, "not an ELF file", "archive"},
		{changed(t, program, class, 1), NotSupported, "32-bit", "x86-64"},
		{changed(t, program, machine, 183, 0), NotSupported, "aarch64", "x86-64"},
		{changed(t, program, order, 2), NotSupported, "program for", "x86-64"},
		{changed(t, program, kind, 4), NotProgram, "core file", "program that left it"},
		{changed(t, program, kind, 9), Damaged, "type 9", ""},
		{object, NotLinked, "not linked", "linked into"},
		{write(t, "short", data[:3]), NotELF, "not an ELF file", ""},
		{write(t, "short", data[:10]), Damaged, "shorter", ""},
		{write(t, "short", data[:60]), Damaged, "shorter", ""},
		{write(t, "short", data[:len(data)/2]), Damaged, "shorter", ""},
	} {
		f, err := Open(c.path)
		var d *script.Diagnostic
		if !errors.As(err, &d) {
			t.Errorf("%s: %v is no diagnosis", c.path, err)
			continue
		}
		if f != nil || d.Code != c.code || !strings.Contains(d.Message, c.message) || !strings.Contains(strings.Join(d.Hints, "\n"), c.hint) {
			t.Errorf("%s: %+v; want [%s] %q, hint %q", c.path, d, c.code, c.message, c.hint)
		}
		if !strings.Contains(d.Message, c.path) {
			t.Errorf("%q does not name the file", d.Message)
		}
	}
}

func TestAnUnreadableFileIsADiagnosis(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root reads everything: what the diagnosis says is tested without the file.
		err := diagnoseOpen("/x", os.ErrPermission)
		var d *script.Diagnostic
		if !errors.As(err, &d) || d.Code != NotPermitted || len(d.Hints) == 0 {
			t.Errorf("got %v", err)
		}
		return
	}
	path := write(t, "secret", []byte("x"))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != NotPermitted {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheDynamicLinkerReads(t *testing.T) {
	library := fixture.Build(t, "c/versions.c", "-shared", "-fPIC", "-Wl,-soname,libgreet.so.1", "-Wl,--version-script="+inFixtures("c/versions.map"))
	for _, c := range []struct {
		name, path                     string
		pie, program, static, stripped bool
		soname                         string
		needsC                         bool
	}{
		{name: "PIE", path: cProgram(t), pie: true, program: true, needsC: true},
		{name: "no PIE", path: cProgram(t, "-no-pie"), program: true, needsC: true},
		{name: "static", path: cProgram(t, "-static"), program: true, static: true},
		{name: "static PIE", path: cProgram(t, "-static-pie"), pie: true, program: true, static: true},
		{name: "stripped", path: cProgram(t, "-s"), pie: true, program: true, stripped: true, needsC: true},
		{name: "library", path: library, soname: "libgreet.so.1"},
		{name: "go", path: fixture.Build(t, "go/symbols"), program: true, static: true},
		{name: "go PIE", path: fixture.Build(t, "go/symbols", "-buildmode=pie"), program: true, pie: true, needsC: true},
	} {
		f := open(t, c.path)
		if f.Pie() != c.pie || f.Program() != c.program || f.Static() != c.static || f.Stripped() != c.stripped || f.Soname() != c.soname {
			t.Errorf("%s: PIE %v, program %v, static %v, stripped %v, %q", c.name, f.Pie(), f.Program(), f.Static(), f.Stripped(), f.Soname())
		}
		if got := slices.Contains(f.Needed(), "libc.so.6"); got != c.needsC && c.name != "go PIE" {
			t.Errorf("%s: needs %q", c.name, f.Needed())
		}
		if got := strings.HasPrefix(f.Interp(), "/lib64/ld-linux"); got != (c.program && !c.static) {
			t.Errorf("%s: interpreter %q", c.name, f.Interp())
		}
	}
}

func TestBuildIDIsThatOfReadelf(t *testing.T) {
	fixture.Need(t, "readelf")
	path := cProgram(t)
	out, err := exec.Command("readelf", "-n", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if id := open(t, path).BuildID(); len(id) != 40 || !strings.Contains(string(out), "Build ID: "+id) {
		t.Errorf("build ID %q", id)
	}
}

func TestTablesThatLieAreProblemsAndNotFatal(t *testing.T) {
	path := cProgram(t)
	f := open(t, path)
	header := int(binary.LittleEndian.Uint64(readBytes(t, path, 40, 8))) // e_shoff
	for i, s := range f.ELF().Sections {
		if s.Name != ".symtab" {
			continue
		}
		at := header + 64*i
		for _, c := range []struct {
			what string
			at   int
			b    []byte
		}{
			{"size beyond the file", at + 32, []byte{0xff, 0xff, 0xff, 0x7f}},
			{"offset beyond the file", at + 24, []byte{0xff, 0xff, 0xff, 0x7f}},
			{"string table that does not exist", at + 40, []byte{0xff, 0xff}},
			{"string table that is itself", at + 40, []byte{byte(i), 0}},
		} {
			lying, err := Open(changed(t, path, c.at, c.b...))
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
				continue
			}
			if len(lying.Problems()) == 0 && c.what != "string table that is itself" {
				t.Errorf("%s: no problem is told", c.what)
			}
			lying.Close()
		}
	}
}

func readBytes(t *testing.T, path string, at, n int) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data[at : at+n]
}
