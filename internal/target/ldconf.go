package target

import (
	"os"
	"path/filepath"
	"strings"
)

// maxIncludes bounds how deep configuration files include each other.
const maxIncludes = 8

// configured gives the folders of /etc/ld.so.conf, for machines that have no cache.
func (f *finder) configured() []string { return f.readConf("/etc/ld.so.conf", maxIncludes) }

// readConf reads folders and include lines (ldconfig(8)).
func (f *finder) readConf(path string, depth int) []string {
	text, err := os.ReadFile(f.root.open(path))
	if err != nil || depth == 0 {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n:,", r) })
		switch {
		case len(words) == 0, words[0] == "hwcap":
		case words[0] == "include":
			for _, pattern := range words[1:] {
				dirs = append(dirs, f.include(filepath.Dir(path), pattern, depth)...)
			}
		default:
			for _, word := range words {
				if strings.HasPrefix(word, "/") {
					dirs = append(dirs, filepath.Clean(word))
				}
			}
		}
	}
	return dirs
}

func (f *finder) include(dir, pattern string, depth int) []string {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(dir, pattern)
	}
	found, _ := filepath.Glob(f.root.open(pattern))
	var dirs []string
	for _, path := range found {
		dirs = append(dirs, f.readConf(strings.TrimPrefix(path, string(f.root)), depth-1)...)
	}
	return dirs
}

// processorLevels gives the glibc-hwcaps subdirectories that the processor may use, best first, from the text of
// /proc/cpuinfo (x86-64 psABI, table 3.1, in the kernel's spelling).
func processorLevels(info string) []string {
	_, rest, _ := strings.Cut(info, "\nflags")
	line, _, _ := strings.Cut(rest, "\n")
	has := map[string]bool{}
	for _, flag := range strings.Fields(line) {
		has[flag] = true
	}
	all := func(flags string) bool {
		for _, flag := range strings.Fields(flags) {
			if !has[flag] {
				return false
			}
		}
		return true
	}
	var levels []string
	for _, l := range []struct{ name, flags string }{
		{"x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"},
		{"x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"},
		{"x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"},
	} {
		if !all(l.flags) {
			break
		}
		levels = append([]string{l.name}, levels...)
	}
	return levels
}
