package symbol

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// isGo reports whether the Go linker had a hand in the object.
func (f *File) isGo() bool {
	return f.image.section(".go.buildinfo") != nil || f.image.pclntabSection() != nil
}

// goText gives the addresses [from, to) of code that the Go compiler and assembler made; in a cgo program the rest is C.
func (f *File) goText() (from, to Addr, ok bool) {
	t := f.pclntab()
	if t == nil {
		return 0, 0, false
	}
	return Addr(t.entry(0)), Addr(t.end), true
}

// GoVersion gives the toolchain that built a Go program ("go1.26.8"), "" for other programs.
func (f *File) GoVersion() string {
	version, _ := f.buildInfo()
	return version
}

// GoModules gives what the program was built from, in the form of `go version -m`: lines of "path", "mod", "dep", "build" with their
// columns separated by tabs. "" when the program does not say.
func (f *File) GoModules() string {
	_, modules := f.buildInfo()
	// The linker encloses the text in two markers of 16 bytes (cmd/go/internal/modload).
	if len(modules) < 33 || modules[len(modules)-17] != '\n' {
		return ""
	}
	return modules[16 : len(modules)-16]
}

const (
	buildInfoMagic = "\xff Go buildinf:"
	buildInfoSize  = 32
	inlineStrings  = 2 // flags: the strings follow the header, since Go 1.18
)

// buildInfo reads .go.buildinfo: {14 bytes of magic, u8 ptrSize, u8 flags}, then at 32 two strings with varint lengths, or before
// Go 1.18 at 16 two pointers to strings. Source: debug/buildinfo.
func (f *File) buildInfo() (version, modules string) {
	data := f.image.short(".go.buildinfo")
	at := bytes.Index(data, []byte(buildInfoMagic))
	if at < 0 || len(data)-at < buildInfoSize {
		return "", ""
	}
	data = data[at:]
	if data[15]&inlineStrings == 0 {
		return f.goString(binary.LittleEndian.Uint64(data[16:])), f.goString(binary.LittleEndian.Uint64(data[24:]))
	}
	version, rest := counted(data[buildInfoSize:])
	modules, _ = counted(rest)
	return version, modules
}

// counted cuts off a string with a varint length.
func counted(data []byte) (string, []byte) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return "", nil
	}
	return string(data[n : n+int(length)]), data[n+int(length):]
}

// goString reads the string whose header {data, len} is at addr.
func (f *File) goString(addr uint64) string {
	length := f.word(addr + 8)
	if length > maxShortTable {
		return ""
	}
	text := make([]byte, length)
	if f.image.readAt(f.word(addr), text) != nil {
		return ""
	}
	return string(text)
}

// goidOffsets tells where runtime.g keeps goid, by the release that moved it. Debug information is not needed: the runtime's layout
// does not depend on how a program is built. Source: runtime/runtime2.go of each release.
var goidOffsets = [...]struct{ minor, offset int }{
	{9, 152},
	{23, 160}, // syscallbp came in before it
	{25, 152}, // gobuf.ret went
}

// GoidOffset gives the offset of goid in runtime.g; ok is false for a release whose layout is not known.
func (f *File) GoidOffset() (offset int64, ok bool) {
	minor := goMinor(f.GoVersion())
	for _, known := range goidOffsets {
		if minor >= known.minor {
			offset, ok = int64(known.offset), true
		}
	}
	return offset, ok
}

// goMinor gives 26 for "go1.26.8", "go1.26rc1" and "devel go1.26-0123abc", 0 for anything else.
func goMinor(version string) int {
	_, after, found := strings.Cut(version, "go1.")
	if !found {
		return 0
	}
	digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
	minor, err := strconv.Atoi(after[:digits])
	if err != nil {
		return 0
	}
	return minor
}
