package symbol

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/script"
)

// Codes of what can be wrong with a file that a person names.
const (
	NoFile       script.Code = "no-file"
	NotPermitted script.Code = "not-permitted"
	NotELF       script.Code = "not-elf"     // script, directory, text, archive, other format
	NotSupported script.Code = "not-x86-64"  // 32-bit, other processor, other byte order
	NotLinked    script.Code = "not-linked"  // .o, kernel module
	NotProgram   script.Code = "not-program" // core file
	Damaged      script.Code = "damaged-elf" // truncated or inconsistent
)

func diagnosis(code script.Code, message string, hints ...string) *script.Diagnostic {
	return &script.Diagnostic{Code: code, Message: message, Hints: hints}
}

// diagnoseOpen says why a path cannot be opened.
func diagnoseOpen(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diagnosis(NoFile, fmt.Sprintf("%s: no such file", path))
	case errors.Is(err, fs.ErrPermission):
		return diagnosis(NotPermitted, fmt.Sprintf("%s: permission denied", path), "the file must be readable: run as root or as its owner")
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return err // nothing is wrong with the file
	}
	return diagnosis(NoFile, err.Error())
}

// damaged says that the file is an ELF file in name only.
func damaged(path string, err error) error {
	return diagnosis(Damaged, fmt.Sprintf("%s: damaged ELF file: %v", path, err))
}

// checkFile finds what is not a linked x86-64 program or library, before any table is read.
func checkFile(path string, from io.ReaderAt, info os.FileInfo) error {
	if info.IsDir() {
		return diagnosis(NotELF, fmt.Sprintf("%s is a directory", path), directoryHints(path)...)
	}
	if !info.Mode().IsRegular() {
		return diagnosis(NotELF, fmt.Sprintf("%s is not a regular file", path))
	}
	head := make([]byte, 4096)
	n, err := from.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return diagnosis(NotELF, err.Error())
	}
	head = head[:n]
	if len(head) == 0 {
		return diagnosis(NotELF, fmt.Sprintf("%s is empty", path))
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return notELF(path, head)
	}
	return checkHeader(path, head)
}

// directoryHints offers the file of the directory's own name, which is where a program often sits.
func directoryHints(path string) []string {
	inner := filepath.Join(path, filepath.Base(path))
	if info, err := os.Stat(inner); err == nil && info.Mode().IsRegular() {
		return []string{"perhaps " + inner}
	}
	return nil
}

var groupedPath = regexp.MustCompile(`(?:GROUP|INPUT)\s*\(\s*([^\s)]+)`)

// notELF names what the file is instead, and what to probe in its place.
func notELF(path string, head []byte) error {
	message := fmt.Sprintf("%s is not an ELF file", path)
	if interpreter := scriptInterpreter(head); interpreter != "" {
		return diagnosis(NotELF, fmt.Sprintf("%s is a script for %s", path, interpreter),
			fmt.Sprintf("probe its interpreter: %s", interpreter))
	}
	if m := groupedPath.FindSubmatch(head); m != nil && printable(head) {
		return diagnosis(NotELF, fmt.Sprintf("%s is a linker script", path), fmt.Sprintf("the library is %s", m[1]))
	}
	kinds := []struct{ magic, hint string }{
		{"!<arch>\n", "a static library is part of the programs linked with it: probe those"},
		{"!<thin>\n", "a static library is part of the programs linked with it: probe those"},
		{"MZ", "a Windows program has no ELF symbols"},
		{"\x1f\x8b", "it is compressed: unpack it first"},
		{"\xfd7zXZ", "it is compressed: unpack it first"},
		{"\x28\xb5\x2f\xfd", "it is compressed: unpack it first"},
		{"PK\x03\x04", "it is an archive (zip, jar): probe the program that runs it"},
		{"\xca\xfe\xba\xbe", "Java classes run inside a virtual machine: probe libjvm.so"},
		{"\x00asm", "a WebAssembly module runs inside a host: probe the host"},
	}
	for _, k := range kinds {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return diagnosis(NotELF, message, k.hint)
		}
	}
	return diagnosis(NotELF, message)
}

// scriptInterpreter gives what a #! line runs, looking through env.
func scriptInterpreter(head []byte) string {
	if !bytes.HasPrefix(head, []byte("#!")) {
		return ""
	}
	line, _ := bufio.NewReader(bytes.NewReader(head[2:])).ReadString('\n')
	words := strings.Fields(line)
	if len(words) == 0 {
		return ""
	}
	if filepath.Base(words[0]) != "env" {
		return words[0]
	}
	for _, word := range words[1:] {
		if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
			return word
		}
	}
	return words[0]
}

func printable(text []byte) bool { return bytes.IndexByte(text, 0) < 0 }

// checkHeader judges the ELF header's class, machine and type.
func checkHeader(path string, head []byte) error {
	if len(head) < 20 {
		return damaged(path, errTruncated)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	machine := elf.Machine(order.Uint16(head[18:]))
	name := strings.ToLower(strings.TrimPrefix(machine.String(), "EM_"))
	switch {
	case elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32:
		return diagnosis(NotSupported, fmt.Sprintf("%s is a 32-bit program (%s)", path, name), "only x86-64 programs can be observed")
	case elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64:
		return damaged(path, fmt.Errorf("class %d", head[elf.EI_CLASS]))
	case machine != elf.EM_X86_64:
		return diagnosis(NotSupported, fmt.Sprintf("%s is a program for %s", path, name), "only x86-64 programs can be observed")
	case elf.Data(head[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return damaged(path, errors.New("big-endian x86-64"))
	}
	switch kind := elf.Type(order.Uint16(head[16:])); kind {
	case elf.ET_EXEC, elf.ET_DYN:
		return nil
	case elf.ET_REL:
		hint := "probe the program or library that it is linked into"
		if strings.HasSuffix(path, ".ko") {
			hint = "a kernel module runs in the kernel, where this tool does not look"
		}
		return diagnosis(NotLinked, fmt.Sprintf("%s is an object file that was not linked", path), hint)
	case elf.ET_CORE:
		return diagnosis(NotProgram, fmt.Sprintf("%s is a core file: nothing of it runs", path), "probe the program that left it")
	default:
		return damaged(path, fmt.Errorf("type %d", kind))
	}
}
