package symbol

import (
	"bytes"
	"slices"

	"github.com/sonde-project/sonde/event"
)

// Routines that the unwinder calls for each frame. All but C's, which only cleans up, can catch.
var personalities = [...]string{
	"__gxx_personality_v0", "rust_eh_personality", "__gcc_personality_v0", "__gnat_personality_v0", "__objc_personality_v0",
	"__gdc_personality_v0", "_d_eh_personality", "__swift_personality_v0",
}

const personalityC = "__gcc_personality_v0"

// Personalities names the unwinding routines that the object's symbol tables mention.
func (f *File) Personalities() []string {
	var texts [][]byte
	for _, name := range []string{".dynstr", ".strtab"} {
		if s := f.image.section(name); s != nil {
			if data, err := f.image.contents(s, maxStrings); err == nil {
				texts = append(texts, data)
			}
		}
	}
	var found []string
	for _, name := range personalities {
		// Linkers let names share their ends, so what comes before one says nothing.
		ending := append([]byte(name), 0)
		if slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(text, ending) }) {
			found = append(found, name)
		}
	}
	return found
}

// CleansUp reports whether unwinding through the object's frames runs any of its code: it has exception tables, or names who reads them.
func (f *File) CleansUp() bool {
	return f.section(".gcc_except_table") || len(f.Personalities()) > 0
}

// Unwinds reports whether exceptions or panics are caught in the object: then a return address that was replaced, as the kernel's
// uretprobe does, turns a caught exception into an abort. Where no symbol tells, the exception tables do: those of C have
// cleanups only. An object that only calls back into such code (qsort with a C++ comparison) does not unwind by itself, and
// exceptions may still pass through it.
func (f *File) Unwinds() bool {
	f.unwindsOnce.Do(func() { f.unwinds = f.findUnwinds() })
	return f.unwinds
}

func (f *File) findUnwinds() bool {
	for _, name := range f.Personalities() {
		if name != personalityC {
			return true
		}
	}
	if f.isGo() {
		return false
	}
	return f.section(".gcc_except_table") && f.catches() || f.Language() == event.LangRust
}

func (f *File) section(name string) bool { return f.image.section(name) != nil }

// catches reports whether some exception table names types to catch. An LSDA begins {u8 encoding of its base, [base], u8 encoding of
// types, ...}. Source: Itanium C++ ABI, "Exception Handling", section 7.
func (f *File) catches() bool {
	s := f.image.section(".gcc_except_table")
	data, err := f.image.contents(s, maxEHFrame)
	if err != nil {
		return true
	}
	for _, one := range f.frames() {
		if one.lsda < s.Addr || one.lsda-s.Addr >= uint64(len(data)) {
			continue
		}
		c := cursor{data: data, at: one.lsda - s.Addr, addr: s.Addr}
		c.pointer(c.u8())
		if types := c.u8(); c.err == nil && types != peOmit {
			return true
		}
	}
	return false
}
