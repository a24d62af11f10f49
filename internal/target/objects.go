package target

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sonde-project/sonde/script"
)

// Objects gives the files of which the process maps code, its program first, then in order of address. A file that is
// mapped several times is given once. Open leads to the very file that is mapped, also when it was deleted or replaced.
func (p *Process) Objects() ([]Object, error) {
	maps, err := p.Maps()
	if err != nil {
		return nil, err
	}
	exe := fileID(p.proc("exe"))
	var objects []Object
	seen := map[identity]bool{}
	for _, m := range maps {
		id := identity{m.Dev, m.Ino}
		if !m.File() || !m.Exec() || seen[id] {
			continue
		}
		seen[id] = true
		o := p.object(m)
		o.Program = exe.ino != 0 && exe.ino == m.Ino && p.inside(m.Path) == p.Exe
		if o.Program && o.Open == p.mapFile(m) {
			o.Open = p.proc("exe") // whoever may trace the process may open this one
		}
		objects = append(objects, o)
	}
	slices.SortStableFunc(objects, func(a, b Object) int {
		switch {
		case a.Program == b.Program:
			return 0
		case a.Program:
			return -1
		}
		return 1
	})
	return objects, nil
}

// identity is what makes two names the same file.
type identity struct{ dev, ino uint64 }

func fileID(path string) identity {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{stat.Dev, stat.Ino}
}

// mapFile is the path that always leads to what is mapped, for root.
func (p *Process) mapFile(m Mapping) string {
	return p.proc("map_files", fmt.Sprintf("%x-%x", m.Start, m.End))
}

// object finds a way to the file of a mapping. The path in /proc/PID/maps counts from our root when the process shares
// our mount namespace, and from its namespace's root otherwise. Only the inode number is compared: btrfs and overlayfs
// report other devices for files than for mappings.
func (p *Process) object(m Mapping) Object {
	o := Object{Path: p.inside(m.Path), Dev: m.Dev, Ino: m.Ino}
	names := []string{m.Path}
	if m.Deleted {
		names = append(names, m.Path+" (deleted)") // a file may be called so
	}
	shared := p.MountNS == ownNamespace("mnt")
	for _, name := range names {
		inside := p.inside(name)
		switch {
		case fileID(p.root.open(inside)).ino == m.Ino:
			o.Open, o.Path = p.root.open(inside), inside
			return o
		case shared && fileID(name).ino == m.Ino:
			o.Open, o.Path = name, inside
			return o
		}
	}
	o.Open = p.mapFile(m)
	switch _, err := os.Stat(o.Open); {
	case strings.HasPrefix(m.Path, "/memfd:"):
		o.Note = "the file is in memory only"
	case m.Deleted:
		o.Note = "the file was deleted or replaced since the process mapped it"
	case err != nil: // not root: on overlayfs the inode numbers differ for no reason that matters
		o.Open = p.root.open(p.inside(m.Path))
	}
	return o
}

// Library finds a library among those that the process maps, by file name or soname: "libc" is libc.so.6, libc-2.31.so
// or musl's loader. The error is a *script.Diagnostic.
func (p *Process) Library(name string) (Object, error) {
	objects, err := p.Objects()
	if err != nil {
		return Object{}, err
	}
	if strings.Contains(name, "/") {
		return p.libraryByPath(name, objects)
	}
	best, bestRank := Object{}, unlike
	for _, o := range objects {
		r := min(rankOf(filepath.Base(o.Path), name), rankOf(soname(o.Open), name))
		if r < bestRank && !o.Program {
			best, bestRank = o, r
		}
	}
	if bestRank < unlike && !(partOfLibc(name) && hollow(best.Open)) {
		return best, nil
	}
	if partOfLibc(name) {
		if libc, err := p.Library("libc"); err == nil {
			libc.Note = fmt.Sprintf("%s has no functions here: they are in %s", name, filepath.Base(libc.Path))
			return libc, nil
		}
	}
	return Object{}, p.noLibrary(name, objects)
}

func (p *Process) libraryByPath(path string, objects []Object) (Object, error) {
	clean := filepath.Clean(path)
	resolved, err := p.root.resolve(clean)
	for _, o := range objects {
		if o.Path == clean || err == nil && o.Path == resolved {
			return o, nil
		}
	}
	return Object{}, p.noLibrary(path, objects)
}

// noLibrary says what the process maps in place of a library.
func (p *Process) noLibrary(name string, objects []Object) error {
	var names []string
	for _, o := range objects {
		if !o.Program {
			names = append(names, filepath.Base(o.Path))
		}
	}
	hints := nearLibraries(name, names)
	switch {
	case len(names) == 0 && len(objects) > 0:
		hints = append(hints, fmt.Sprintf("it maps no libraries: its program %s is linked statically", objects[0].Path))
	case hints == nil:
		hints = append(hints, "it maps "+strings.Join(names[:min(len(names), 12)], ", "))
	}
	return &script.Diagnostic{Code: NoLibrary, Message: fmt.Sprintf("process %d (%s) maps no library %q", p.PID, p.Comm, name), Hints: hints}
}

// soname is the name that a library gives itself, "" none.
func soname(path string) string {
	file, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	names, err := file.DynString(elf.DT_SONAME)
	if err != nil || len(names) == 0 {
		return ""
	}
	return names[0]
}
