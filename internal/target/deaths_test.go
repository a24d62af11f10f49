package target

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture/death"
)

// A command stood stopped for good, traced by init, when we were killed between its fork and its first stop.
func TestWhereverWeAreKilledTheCommandDoesNotStayStopped(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode  string
		lives bool // when we are killed at last
	}{{"released", true}, {"kept", false}} {
		t.Run(c.mode, func(t *testing.T) {
			steps, lives := death.EachStep(t, death.Program{
				Path: self, Exe: self, Argv: []string{self}, Env: append(os.Environ(), "TARGET_TEST="+c.mode+" /bin/sleep 100"), Done: "released",
			}, 1)
			if steps < 20 || lives != c.lives {
				t.Errorf("after %d steps it lives: %v, want %v", steps, lives, c.lives)
			}
		})
	}
}

// A program of 32 bits, whose registers and system calls are others, was not started: it makes a system call of ours too.
func TestAProgramOf32BitsIsStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(path, program32(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(path).Run(); err == nil || err.Error() != "exit status 42" {
		t.Fatalf("alone: %v", err)
	}
	c, err := Start([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
	if status, err := c.Wait(); err != nil || status.Code != 42 {
		t.Errorf("%+v, %v", status, err)
	}
}

// program32 is an ELF file with one segment, whose code ends with status 42.
func program32() []byte {
	const base, headers = 0x10000, 52 + 32
	code := []byte{
		0xb8, 1, 0, 0, 0, // mov $1,%eax: exit
		0xbb, 42, 0, 0, 0, // mov $42,%ebx
		0xcd, 0x80, // int $0x80
	}
	var b bytes.Buffer
	head := elf.Header32{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: 1, Entry: base + headers, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1}
	copy(head.Ident[:], "\x7fELF\x01\x01\x01")
	segment := elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: headers + uint32(len(code)), Memsz: headers + uint32(len(code)), Flags: uint32(elf.PF_R | elf.PF_X), Align: 0x1000}
	for _, part := range []any{head, segment, code} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes everything
	}
	return b.Bytes()
}
