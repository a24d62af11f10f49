package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
)

// note is one entry of a note section: {u32 namesz, u32 descsz, u32 type, name, desc}, each padded.
type note struct {
	name string
	kind uint32
	desc []byte
}

// splitNotes cuts a note section up. Parts are padded to 4 bytes, or to 8 where the section says so (gABI, note section).
// A note that claims more than there is ends the walk.
func splitNotes(data []byte, align uint64) []note {
	if align != 8 {
		align = 4
	}
	padded := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	var notes []note
	for len(data) >= 12 {
		namesz, descsz := uint64(binary.LittleEndian.Uint32(data)), uint64(binary.LittleEndian.Uint32(data[4:]))
		descAt := padded(12 + namesz)
		if descAt+descsz > uint64(len(data)) {
			break
		}
		notes = append(notes, note{
			name: string(bytes.TrimRight(data[12:12+namesz], "\x00")),
			kind: binary.LittleEndian.Uint32(data[8:]),
			desc: data[descAt : descAt+descsz],
		})
		data = data[min(descAt+padded(descsz), uint64(len(data))):]
	}
	return notes
}

const ntGNUBuildID = 3 // NT_GNU_BUILD_ID

// buildID reads the GNU build ID, from the section of that name or any note segment.
func (m *image) buildID() string {
	if s := m.section(".note.gnu.build-id"); s != nil {
		if data, err := m.contents(s, maxNotes); err == nil {
			if id := gnuBuildID(data, s.Addralign); id != "" {
				return id
			}
		}
	}
	for _, p := range m.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes || !within(p.Off, p.Filesz, m.size) {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := m.from.ReadAt(data, int64(p.Off)); err != nil {
			continue
		}
		if id := gnuBuildID(data, p.Align); id != "" {
			return id
		}
	}
	return ""
}

func gnuBuildID(data []byte, align uint64) string {
	for _, n := range splitNotes(data, align) {
		if n.name == "GNU" && n.kind == ntGNUBuildID && len(n.desc) >= 2 && len(n.desc) <= 64 {
			return hex.EncodeToString(n.desc)
		}
	}
	return ""
}

// BuildID gives the GNU build ID in hexadecimal, "" when the linker left none.
func (f *File) BuildID() string { return f.image.buildID() }
