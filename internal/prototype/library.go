package prototype

import (
	"embed"
	"path"
	"strings"
	"sync"

	"github.com/sonde-project/sonde/internal/ctype"
)

//go:embed tables/*.h
var texts embed.FS

// library is one of our own tables: which sonames it speaks for, and where else its functions may be declared.
type library struct {
	name  string   // of its text
	names []string // soname stems: "libc" for libc.so.6, libc-2.31.so
	also  []string // further texts, by name
}

// libraries in order of search. glibc 2.34 moved libpthread, libdl and librt into libc.
var libraries = []library{
	{name: "libc", names: []string{"libc", "ld-linux-x86-64", "libc.musl-x86_64", "ld-musl-x86_64", "librt", "libresolv", "libutil", "libanl"}, also: []string{"malloc", "libpthread", "libdl"}},
	{name: "libpthread", names: []string{"libpthread"}, also: []string{"libc", "malloc"}},
	{name: "libdl", names: []string{"libdl"}, also: []string{"libc", "malloc"}},
	{name: "libm", names: []string{"libm"}},
	{name: "malloc", names: []string{"libjemalloc", "libtcmalloc", "libtcmalloc_minimal", "libmimalloc"}},
	{name: "libssl", names: []string{"libssl"}, also: []string{"libcrypto"}},
	{name: "libcrypto", names: []string{"libcrypto"}},
	{name: "zlib", names: []string{"libz"}},
	{name: "libpq", names: []string{"libpq"}},
	{name: "libsqlite3", names: []string{"libsqlite3"}},
	{name: "libmariadb", names: []string{"libmariadb", "libmysqlclient"}},
}

// own is one of our texts. Only its types are read at once: a function stands on one line, which is read when that
// function is asked for.
type own struct {
	types *Table
	lines map[string]string // by function
}

// Each text is read once, when first asked for. They are ours, so a mistake in one is a bug that the tests find.
var (
	base = sync.OnceValue(func() *Table {
		table, _ := parse(ownText("base"), nil)
		return table
	})
	owned = sync.OnceValue(func() map[string]func() own {
		all := map[string]func() own{}
		for _, l := range libraries {
			for _, name := range append(l.also, l.name) {
				all[name] = sync.OnceValue(func() own { return load(ownText(name)) })
			}
		}
		return all
	})
)

func ownText(name string) string {
	text, _ := texts.ReadFile("tables/" + name + ".h")
	return string(text)
}

// load tells lines that declare a function from those that declare types.
func load(text string) own {
	lines := map[string]string{}
	var types strings.Builder
	depth := 0
	for line := range strings.Lines(text) {
		open := strings.IndexByte(line, '(')
		if depth == 0 && open > 0 && !strings.HasPrefix(line, "typedef") && !strings.HasPrefix(line, "//") && !strings.ContainsRune(line, '{') {
			for _, name := range declares(line, open) {
				lines[name] = line
			}
			continue
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
		types.WriteString(line)
	}
	table, _ := parse(types.String(), base())
	return own{types: table, lines: lines}
}

// declares names what a line declares: the word before its parameters, and aliases.
func declares(line string, open int) []string {
	for strings.HasPrefix(wordBefore(line, open), "@") {
		open += 1 + strings.IndexByte(line[open+1:], '(')
	}
	names := []string{wordBefore(line, open)}
	if _, list, ok := strings.Cut(line, "@alias("); ok {
		list, _, _ = strings.Cut(list, ")")
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// wordBefore gives the word that ends at a position, with its "@".
func wordBefore(line string, end int) string {
	start := end
	for start > 0 && (isWordByte(line[start-1]) || line[start-1] == '@') {
		start--
	}
	return line[start:end]
}

func (o own) lookup(function string) (*ctype.Signature, bool) {
	line, ok := o.lines[function]
	if !ok {
		return nil, false
	}
	table, _ := parse(line, o.types)
	return table.Lookup(function)
}

// Lookup finds the signature of a function of a well-known library, given by soname or path ("libc", "libc.so.6",
// "/usr/lib/libc-2.31.so"). Internal names of glibc (__open64, __GI___libc_malloc, __strlen_avx2, memcpy@@GLIBC_2.14)
// stand for the public function.
func Lookup(library, function string) (*ctype.Signature, bool) {
	stem := stemOf(library)
	for i := range libraries {
		l := &libraries[i]
		for _, name := range l.names {
			if name == stem {
				return l.lookup(function)
			}
		}
	}
	return nil, false
}

func (l *library) lookup(function string) (*ctype.Signature, bool) {
	for _, name := range spellings(function) {
		if sig, ok := owned()[l.name]().lookup(name); ok {
			return sig, true
		}
		for _, other := range l.also {
			if sig, ok := owned()[other]().lookup(name); ok {
				return sig, true
			}
		}
	}
	return nil, false
}

// stemOf takes "libc" from "/lib/libc.so.6", "libc-2.31.so", "libc" and "c".
func stemOf(library string) string {
	stem := path.Base(library)
	if i := strings.Index(stem, ".so"); i >= 0 {
		stem = stem[:i]
	}
	if i := strings.LastIndexByte(stem, '-'); i > 0 && i+1 < len(stem) && isDigit(stem[i+1]) {
		stem = stem[:i]
	}
	if !strings.HasPrefix(stem, "lib") && !strings.HasPrefix(stem, "ld-") {
		stem = "lib" + stem
	}
	return stem
}

// prefixes and suffixes that glibc puts around a public name for its own calls, versions and CPU variants.
var (
	prefixes = []string{"__GI___libc_", "__GI___", "__GI__", "__GI_", "___", "__libc_", "__isoc99_", "__isoc23_", "__new_", "__old_", "__posix_", "__bsd_", "__IO_", "_IO_new_", "_IO_", "__"}
	suffixes = []string{"_nocancel", "_internal", "_chk", "64", "_time64", "_impl"}
	cpus     = []string{"_sse", "_ssse3", "_avx", "_evex", "_erms", "_fma", "_c", "_ifma", "_x86_64"}
)

// spellings lists the names under which a function may be declared, the most literal first.
func spellings(function string) []string {
	if i := strings.IndexByte(function, '@'); i > 0 {
		function = function[:i]
	}
	names := []string{function}
	add := func(name string) {
		if name != "" && name != names[len(names)-1] {
			names = append(names, name)
		}
	}
	for _, p := range prefixes {
		if bare, ok := strings.CutPrefix(function, p); ok {
			add(bare)
			function = bare
			break
		}
	}
	for range 2 {
		for _, s := range suffixes {
			if bare, ok := strings.CutSuffix(function, s); ok {
				add(bare)
				function = bare
			}
		}
	}
	if names[0] != function || strings.HasPrefix(names[0], "__") {
		for _, c := range cpus {
			if i := strings.Index(function, c); i > 0 {
				add(function[:i])
				add(strings.TrimSuffix(function[:i], "_chk"))
			}
		}
	}
	return names
}
