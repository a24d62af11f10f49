package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// Debug is the ELF file that holds an object's .debug_info: the object itself or its separate debug file.
type Debug struct {
	*image
	file *os.File // nil when it is the object itself
}

// Path is the file's path; it equals File.Path when the object carries its own debug information.
func (d *Debug) Path() string { return d.path }

// Separate reports whether the debug information is in another file than the object.
func (d *Debug) Separate() bool { return d.file != nil }

// Contents gives a section's bytes, uncompressed and checked against the limits; nil and no error when the file
// has no such section.
func (d *Debug) Contents(name string) ([]byte, error) {
	s := d.section(name)
	if s == nil {
		return nil, nil
	}
	return d.contents(s, maxSection)
}

// Debug gives the file with the object's .debug_info, nil when there is none on this machine.
func (f *File) Debug() *Debug {
	if f.image.section(".debug_info") != nil {
		return &Debug{image: f.image}
	}
	if d := f.separate(); d != nil && d.section(".debug_info") != nil {
		return d
	}
	return nil
}

// separate gives the object's separate debug file, nil when there is none.
func (f *File) separate() *Debug {
	f.debugOnce.Do(func() { f.debug = f.findDebug() })
	return f.debug
}

// DebugAlternate gives the file that dwz moved the common parts of several debug files to (.gnu_debugaltlink), nil when there is
// none.
func (f *File) DebugAlternate() *Debug {
	f.alternateOnce.Do(func() {
		if d := f.Debug(); d != nil {
			f.alternate = findAlternate(d)
		}
	})
	return f.alternate
}

// closeDebug closes what was opened beside the object, and keeps it from being opened later.
func (f *File) closeDebug() {
	f.debugOnce.Do(func() {})
	f.alternateOnce.Do(func() {})
	for _, d := range []*Debug{f.debug, f.alternate} {
		if d != nil {
			d.file.Close()
		}
	}
	f.dwarf.Lock()
	defer f.dwarf.Unlock()
	if d := f.dwarf.main; d != nil {
		d.splits.close()
	}
}

// processRoot is how files of another mount namespace are named.
var processRoot = regexp.MustCompile(`^/proc/[0-9a-z-]+/root`)

// findDebug looks where gdb looks ("Debugging Information in Separate Files"), below the root of the process that the object
// was opened in, then below our own. Another file under the right name has another build ID or checksum, and is passed over.
func (f *File) findDebug() *Debug {
	inside := processRoot.FindString(f.path)
	roots := []string{inside}
	if inside != "" {
		roots = append(roots, "")
	}
	if id := f.BuildID(); len(id) > 2 {
		paths := []string{debuginfodCached(id)}
		for _, root := range roots {
			paths = append(paths, root+"/usr/lib/debug/.build-id/"+id[:2]+"/"+id[2:]+".debug")
		}
		for _, path := range paths {
			if d := openDebug(path, func(m *image) bool { return m.buildID() == id }); d != nil {
				return d
			}
		}
	}
	return f.findLinked(roots)
}

// findLinked follows .gnu_debuglink {name, NUL, padding to 4, u32 CRC-32 of the debug file}.
func (f *File) findLinked(roots []string) *Debug {
	data := f.image.short(".gnu_debuglink")
	end := bytes.IndexByte(data, 0)
	if end <= 0 || (end+4)&^3+4 > len(data) {
		return nil
	}
	name, sum := string(data[:end]), binary.LittleEndian.Uint32(data[(end+4)&^3:])
	if name != filepath.Base(name) {
		return nil
	}
	for _, dir := range f.directories() {
		paths := []string{filepath.Join(dir, name), filepath.Join(dir, ".debug", name)}
		for _, root := range roots {
			paths = append(paths, filepath.Join(root, "/usr/lib/debug", processRoot.ReplaceAllString(dir, ""), name))
		}
		for _, path := range paths {
			if d := openDebug(path, func(m *image) bool { return m.checksum() == sum }); d != nil {
				return d
			}
		}
	}
	return nil
}

// directories gives where the object is: as it was named and where symbolic links lead.
func (f *File) directories() []string {
	var dirs []string
	if path, err := filepath.Abs(f.path); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if path, err := filepath.EvalSymlinks(f.path); err == nil {
		if path, err = filepath.Abs(path); err == nil && (len(dirs) == 0 || filepath.Dir(path) != dirs[0]) {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

// findAlternate follows .gnu_debugaltlink {path, NUL, build ID}.
func findAlternate(d *Debug) *Debug {
	data := d.short(".gnu_debugaltlink")
	end := bytes.IndexByte(data, 0)
	if end <= 0 || len(data)-end < 3 {
		return nil
	}
	name, id := string(data[:end]), hex.EncodeToString(data[end+1:])
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(d.path), name)
	} else if root := processRoot.FindString(d.path); root != "" {
		name = root + name
	}
	matches := func(m *image) bool { return m.buildID() == id }
	if alternate := openDebug(name, matches); alternate != nil {
		return alternate
	}
	return openDebug("/usr/lib/debug/.build-id/"+id[:2]+"/"+id[2:]+".debug", matches)
}

// openDebug opens a debug file if it is there and the right one.
func openDebug(path string, right func(*image) bool) *Debug {
	d, err := openObject(path)
	if err != nil {
		return nil
	}
	if !right(d.image) {
		d.file.Close()
		return nil
	}
	return d
}

// openObject opens an object file beside another.
func openObject(path string) (*Debug, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	m, err := objectImage(file, path)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Debug{image: m, file: file}, nil
}

func objectImage(file *os.File, path string) (*image, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	m, err := newImage(file, info.Size(), path)
	if err != nil {
		return nil, err
	}
	if m.Class != elf.ELFCLASS64 || m.Machine != elf.EM_X86_64 {
		return nil, errors.New("it is of another machine")
	}
	return m, nil
}

// checksum gives the CRC-32 of the whole file, as .gnu_debuglink holds it.
func (m *image) checksum() uint32 {
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(m.from, 0, m.size)); err != nil {
		return 0
	}
	return sum.Sum32()
}

// short reads a small section whole, nil when it is missing or damaged.
func (m *image) short(name string) []byte {
	s := m.section(name)
	if s == nil {
		return nil
	}
	data, err := m.contents(s, maxShortTable)
	if err != nil {
		return nil
	}
	return data
}

// debuginfodCached is where debuginfod's client keeps the debug file of a build ID. Source: debuginfod_find_debuginfo(3).
func debuginfodCached(id string) string {
	dir := os.Getenv("DEBUGINFOD_CACHE_PATH")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(cache, "debuginfod_client")
	}
	return filepath.Join(dir, id, "debuginfo")
}
