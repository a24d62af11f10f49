package target

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/script"
)

// rank says how well a library's file name answers to a name: lower is better.
type rank uint8

const (
	exact     rank = iota // libpq.so.5 for "libpq.so.5"
	versioned             // libpq.so.5 for "libpq", "pq", "libpq.so"
	dashed                // libglib-2.0.so.0 for "glib", libc-2.31.so for "libc", libpython3.11.so.1.0 for "python"
	standIn               // ld-musl-x86_64.so.1 for "libc": musl is one file
	unlike
)

// libraryNames gives the beginnings that a name may stand for: "pq" means libpq before pq.
func libraryNames(name string) []string {
	if strings.HasPrefix(name, "lib") || strings.HasPrefix(name, "ld-") {
		return []string{name}
	}
	return []string{"lib" + name, name}
}

// rankOf judges a file name against what a user wrote.
func rankOf(file, name string) rank {
	if file == name {
		return exact
	}
	best := unlike
	for i, n := range libraryNames(name) {
		if r := rankOne(file, n); r < unlike {
			best = min(best, r+rank(i), standIn) // "c" is libc rather than c
		}
	}
	return best
}

func rankOne(file, name string) rank {
	if file == name {
		return exact
	}
	stem, version, ok := splitSo(file)
	if !ok {
		return unlike
	}
	if wanted, asked, isSo := splitSo(name); isSo {
		if stem == wanted && asked == "" && version != "" {
			return versioned
		}
		return unlike
	}
	rest, ok := strings.CutPrefix(stem, name)
	switch {
	case ok && rest == "":
		return versioned
	case ok && isVersion(strings.TrimPrefix(rest, "-")):
		return dashed
	case name == "libc" && (strings.HasPrefix(stem, "libc.musl-") || strings.HasPrefix(stem, "ld-musl-")):
		return standIn
	case name == "ld" && strings.HasPrefix(stem, "ld-linux"):
		return standIn
	}
	return unlike
}

// splitSo cuts "libpq.so.5.15" into "libpq" and "5.15".
func splitSo(file string) (stem, version string, ok bool) {
	stem, rest, ok := strings.Cut(file, ".so")
	if !ok || stem == "" {
		return "", "", false
	}
	version, dotted := strings.CutPrefix(rest, ".")
	if rest != "" && (!dotted || version == "") {
		return "", "", false
	}
	return stem, version, true
}

// isVersion recognises digits and dots that begin with a digit.
func isVersion(text string) bool {
	return text != "" && text[0] >= '0' && text[0] <= '9' && strings.Trim(text, "0123456789.") == ""
}

// compareVersions orders "1.1" before "3" and "10"; what is no number counts as 0.
func compareVersions(a, b string) int {
	numbers := func(s string) []int {
		var out []int
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '-' }) {
			n, _ := strconv.Atoi(part)
			out = append(out, n)
		}
		return out
	}
	return slices.Compare(numbers(a), numbers(b))
}

// versionOf gives all that looks like a version in a file name: "2.0.0" of libglib-2.0.so.0.
func versionOf(file string) string {
	at := strings.IndexAny(file, "0123456789")
	stem, version, ok := splitSo(file)
	if !ok || at < 0 || at >= len(stem) {
		return version
	}
	return stem[at:] + "." + version
}

// nearLibraries offers libraries whose names are like one that was not found. "lib" is left out of the comparison: it would
// make all short names alike.
func nearLibraries(name string, files []string) []string {
	var bare []string
	for _, file := range files {
		if stem, _, ok := splitSo(file); ok {
			file = stem
		}
		bare = append(bare, strings.TrimPrefix(file, "lib"))
	}
	stem, _, _ := strings.Cut(filepath.Base(name), ".so")
	near := script.Near(strings.TrimPrefix(stem, "lib"), bare, 5)
	if len(near) == 0 {
		return nil
	}
	for i := range near {
		near[i] = "lib" + near[i]
	}
	return []string{"near names: " + strings.Join(near, ", ")}
}

// partOfLibc are libraries whose functions glibc 2.34 moved into libc, and that musl never had.
func partOfLibc(name string) bool {
	stem, _, ok := splitSo(name)
	if !ok {
		stem = name
	}
	switch strings.TrimPrefix(stem, "lib") {
	case "pthread", "dl", "rt", "util", "anl":
		return true
	}
	return false
}
