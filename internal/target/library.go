package target

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FindLibrary finds a shared library as ld.so would for a program started now: by soname ("libpq.so.5"), by name
// ("libpq", "pq") or by path. The error is a *script.Diagnostic.
func FindLibrary(name string) (Object, error) {
	return newFinder("", os.Getenv("LD_LIBRARY_PATH")).find(name)
}

// finder looks for libraries below one root.
type finder struct {
	root   root
	paths  []string // LD_LIBRARY_PATH
	levels []string // what the processor has, best first: "x86-64-v3", "x86-64-v2"
}

func newFinder(r root, libraryPath string) *finder {
	info, _ := os.ReadFile("/proc/cpuinfo")
	return &finder{root: r, paths: splitPaths(libraryPath), levels: processorLevels(string(info))}
}

// splitPaths splits LD_LIBRARY_PATH. An empty element means the working directory to ld.so, which differs from process
// to process: it is left out.
func splitPaths(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ';' })
}

func (f *finder) find(name string) (Object, error) {
	if strings.Contains(name, "/") {
		return f.byPath(name)
	}
	all := f.libraries()
	var fit []cached
	for _, c := range all {
		if rankOf(c.name, name) < unlike {
			fit = append(fit, c)
		}
	}
	slices.SortStableFunc(fit, func(a, b cached) int { return f.compare(a, b, name) })
	for _, c := range fit {
		resolved, err := f.root.resolve(c.path)
		if err != nil || !isLibrary(f.root.open(resolved)) {
			continue
		}
		if partOfLibc(c.name) && name != "libc.so.6" && hollow(f.root.open(resolved)) {
			return f.inLibc(c.name)
		}
		return f.root.object(c.path, f.display(c.path))
	}
	if partOfLibc(name) && len(fit) == 0 {
		if o, err := f.inLibc(name); err == nil {
			return o, nil
		}
	}
	return Object{}, f.noLibrary(name, all, fit)
}

// inLibc gives libc in place of a library that it has swallowed.
func (f *finder) inLibc(name string) (Object, error) {
	o, err := f.find("libc")
	o.Note = fmt.Sprintf("%s has no functions here: they are in %s", name, filepath.Base(o.Path))
	return o, err
}

// display is the path that results name: the folder as processes map it, with the name under which the library is known.
// Where /lib is a link to /usr/lib the kernel's own maps say /usr/lib.
func (f *finder) display(path string) string {
	dir, err := f.root.resolve(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}

// byPath takes a path as it is; a relative one only makes sense in our own view.
func (f *finder) byPath(path string) (Object, error) {
	if !filepath.IsAbs(path) && f.root == "" {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return Object{}, fileProblem(NoLibrary, path, err)
		}
		path = absolute
	}
	o, err := f.root.object(filepath.Clean("/"+path), filepath.Clean(path))
	if err != nil {
		return Object{}, fileProblem(NoLibrary, path, err)
	}
	return o, nil
}

// libraries lists what ld.so can find, in its order: LD_LIBRARY_PATH, the cache, the default folders.
func (f *finder) libraries() []cached {
	var all []cached
	for _, dir := range f.paths {
		all = f.list(all, dir, true)
	}
	for i := range all {
		all[i].early = true
	}
	entries, err := f.cache()
	if err != nil {
		for _, dir := range f.configured() {
			all = f.list(all, dir, true)
		}
	}
	all = append(all, entries...)
	for _, dir := range f.defaults() {
		all = f.list(all, dir, err != nil)
	}
	return all
}

// cache reads ld.so.cache without what the processor cannot run.
func (f *finder) cache() ([]cached, error) {
	data, err := os.ReadFile(f.root.open("/etc/ld.so.cache"))
	if err != nil {
		return nil, err
	}
	entries, err := parseCache(data)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(c cached) bool { return c.level != "" && !slices.Contains(f.levels, c.level) }), nil
}

// compare orders libraries that answer to a name: by rank, LD_LIBRARY_PATH first, then the higher version, then what is
// built for the better processor.
func (f *finder) compare(a, b cached, name string) int {
	if c := cmp.Compare(rankOf(a.name, name), rankOf(b.name, name)); c != 0 {
		return c
	}
	if a.early != b.early {
		if a.early {
			return -1
		}
		return 1
	}
	return cmp.Or(compareVersions(versionOf(b.name), versionOf(a.name)), cmp.Compare(f.preference(a.level), f.preference(b.level)))
}

// preference is the place of a level in the processor's list, the baseline last.
func (f *finder) preference(level string) int {
	if i := slices.Index(f.levels, level); i >= 0 {
		return i
	}
	return len(f.levels)
}

// maxListed bounds the files of one folder that are looked at.
const maxListed = 100_000

// list adds the libraries of a folder, those of its glibc-hwcaps folders first.
func (f *finder) list(all []cached, dir string, hwcaps bool) []cached {
	if hwcaps {
		for _, level := range f.levels {
			all = f.list(all, filepath.Join(dir, "glibc-hwcaps", level), false)
		}
	}
	names := namesIn(f.root, dir)
	for _, name := range names {
		if strings.Contains(name, ".so") {
			all = append(all, cached{name: name, path: filepath.Join(dir, name)})
		}
	}
	return all
}

// namesIn lists a folder, sorted; a folder that cannot be read has none.
func namesIn(r root, dir string) []string {
	resolved, err := r.resolve(dir)
	if err != nil {
		return nil
	}
	open, err := os.Open(r.open(resolved))
	if err != nil {
		return nil
	}
	defer open.Close()
	names, _ := open.Readdirnames(maxListed)
	slices.Sort(names)
	return names
}

// defaults are the folders that ld.so knows without being told (Debian's multiarch ones, those of others, musl's).
func (f *finder) defaults() []string {
	dirs := []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	if text, err := os.ReadFile(f.root.open("/etc/ld-musl-x86_64.path")); err == nil {
		return append(strings.FieldsFunc(string(text), func(r rune) bool { return r == ':' || r == '\n' }), dirs...)
	}
	return append(dirs, "/usr/local/lib")
}

// noLibrary says that a name fits nothing, or only what is no library.
func (f *finder) noLibrary(name string, all, fit []cached) error {
	if len(fit) > 0 {
		return diagnosis(NoLibrary, fmt.Sprintf("%s is no shared library for x86-64", fit[0].path))
	}
	var files []string
	for _, c := range all {
		files = append(files, c.name)
	}
	hints := nearLibraries(name, files)
	if info, err := os.Stat(name); err == nil && f.root == "" && info.Mode().IsRegular() {
		hints = append(hints, fmt.Sprintf("for the file of this name write ./%s", name))
	}
	return diagnosis(NoLibrary, fmt.Sprintf("no library %q", name), hints...)
}
