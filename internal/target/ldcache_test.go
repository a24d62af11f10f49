package target

import (
	"encoding/binary"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// entry is one line of a cache that a test writes.
type entry struct {
	name, path string
	flags      uint32
	hwcap      uint64
}

// writeCache makes the bytes of a cache, with the older format before it when asked.
func writeCache(entries []entry, levels []string, old bool) []byte {
	le := binary.LittleEndian
	data := make([]byte, headerSize+len(entries)*entrySize)
	copy(data, newMagic)
	le.PutUint32(data[20:], uint32(len(entries)))
	add := func(s string) uint32 {
		at := uint32(len(data))
		data = append(append(data, s...), 0)
		return at
	}
	for i, e := range entries {
		name, path := add(e.name), add(e.path)
		at := data[headerSize+i*entrySize:]
		le.PutUint32(at, e.flags)
		le.PutUint32(at[4:], name)
		le.PutUint32(at[8:], path)
		le.PutUint64(at[16:], e.hwcap)
	}
	if levels != nil {
		var offsets []uint32
		for _, l := range levels {
			offsets = append(offsets, add(l))
		}
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
		table := uint32(len(data))
		for _, o := range offsets {
			data = le.AppendUint32(data, o)
		}
		le.PutUint32(data[32:], uint32(len(data)))
		for _, w := range []uint32{extensionMagic, 1, hwcapsTag, 0, table, uint32(4 * len(levels))} {
			data = le.AppendUint32(data, w)
		}
	}
	if old {
		head := append([]byte(oldMagic), 1, 0, 0, 0)
		head = append(head, make([]byte, oldEntrySize+4)...) // one entry, and alignment
		data = append(head, data...)
	}
	return data
}

func TestCacheEntriesAreThoseForThisMachine(t *testing.T) {
	entries := []entry{
		{"liba.so.1", "/lib/liba.so.1", flagsX8664, 0},
		{"liba.so.1", "/lib/i386/liba.so.1", 0x0003, 0},
		{"liba.so.1", "/lib/x32/liba.so.1", 0x0803, 0},
		{"libb.so.2", "/lib/glibc-hwcaps/x86-64-v3/libb.so.2", flagsX8664, hwcapExtension | 1},
		{"libc.so.6", "/lib/odd/libc.so.6", flagsX8664, hwcapExtension | 9},
		{"libd.so.6", "relative/libd.so.6", flagsX8664, 0},
	}
	want := []cached{{name: "liba.so.1", path: "/lib/liba.so.1"}, {name: "libb.so.2", path: "/lib/glibc-hwcaps/x86-64-v3/libb.so.2", level: "x86-64-v3"}}
	for _, old := range []bool{false, true} {
		got, err := parseCache(writeCache(entries, []string{"x86-64-v2", "x86-64-v3"}, old))
		if err != nil || len(got) != len(want) {
			t.Fatalf("old %v: %+v %v", old, got, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("old %v: %+v, want %+v", old, got[i], want[i])
			}
		}
	}
	for _, data := range []string{"", "ld.so-1.7.0", oldMagic + "\xff\xff\xff\xff", newMagic, newMagic + strings.Repeat("\xff", 100)} {
		if _, err := parseCache([]byte(data)); err == nil {
			t.Errorf("%q is taken for a cache", data)
		}
	}
}

func TestTheMachinesCacheReadsAsLdconfigReadsIt(t *testing.T) {
	data, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Fatal(err)
	}
	path := "/sbin/ldconfig"
	if found, err := exec.LookPath("ldconfig"); err == nil {
		path = found
	}
	out, err := exec.Command(path, "-p").Output()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseCache(data)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, line := range strings.Split(string(out), "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " (")
		if !ok || !strings.HasPrefix(rest, "libc6,x86-64") {
			continue
		}
		_, path, _ := strings.Cut(rest, "=> ")
		if at >= len(entries) || entries[at].name != name || entries[at].path != path {
			t.Fatalf("entry %d: ldconfig says %s => %s", at, name, path)
		}
		at++
	}
	if at != len(entries) || at == 0 {
		t.Errorf("%d entries, ldconfig has %d", len(entries), at)
	}
}

// Property: whatever the bytes, no panic, and every entry has a name and an absolute path.
func FuzzCache(f *testing.F) {
	f.Add(writeCache([]entry{{"liba.so.1", "/lib/liba.so.1", flagsX8664, hwcapExtension}}, []string{"x86-64-v2"}, true))
	f.Add([]byte(newMagic))
	f.Fuzz(func(t *testing.T, data []byte) { checkCache(t, data) })
}

func checkCache(t *testing.T, data []byte) {
	entries, err := parseCache(data)
	if err != nil && entries != nil {
		t.Fatalf("entries with %v", err)
	}
	for _, e := range entries {
		if e.name == "" || !strings.HasPrefix(e.path, "/") {
			t.Fatalf("%+v", e)
		}
	}
}

func TestAThousandDamagedCachesDoNoHarm(t *testing.T) {
	data, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Fatal(err)
	}
	whole := writeCache([]entry{{"liba.so.1", "/lib/liba.so.1", flagsX8664, hwcapExtension}}, []string{"x86-64-v2"}, true)
	random := rand.New(rand.NewSource(2))
	for range 500 {
		checkCache(t, damage(random, data[:min(len(data), 4000)]))
		checkCache(t, damage(random, whole))
	}
}

func TestNamesOfLibraries(t *testing.T) {
	for _, c := range []struct {
		name string
		fit  string // best first
		not  string
	}{
		{"libc.so.6", "libc.so.6", "libc.so libcrypt.so.1"},
		{"libc", "libc.so.6 libc-2.31.so ld-musl-x86_64.so.1", "libcrypt.so.1 libc++.so.1 libc_malloc_debug.so.0 libcap.so.2"},
		{"c", "libc.so.6", "libcrypt.so.1"},
		{"ssl", "libssl.so.3", "libssl3.so.old libsslh.so.1"},
		{"libssl", "libssl.so.3 libssl-1.1.so", "libss.so.2"},
		{"libpq.so", "libpq.so.5 libpq.so.5.15", "libpqwalreceiver.so libpqx.so.5"},
		{"libpq.so.5", "libpq.so.5", "libpq.so.5.15 libpq.so.4"},
		{"stdc++", "libstdc++.so.6", "libsupc++.so"},
		{"glib", "libglib-2.0.so.0", "libglibmm-2.4.so.1"},
		{"python", "libpython3.11.so.1.0", "libpython3.so.old"},
		{"z", "libz.so.1", "libzstd.so.1 libz3.soup"},
	} {
		last := exact
		for _, file := range strings.Fields(c.fit) {
			r := rankOf(file, c.name)
			if r == unlike || r < last {
				t.Errorf("%s: %s ranks %d after %d", c.name, file, r, last)
			}
			last = r
		}
		for _, file := range strings.Fields(c.not) {
			if rankOf(file, c.name) < last {
				t.Errorf("%s: %s ranks %d", c.name, file, rankOf(file, c.name))
			}
		}
	}
	for _, c := range []struct{ more, less string }{{"3", "1.1"}, {"10", "9"}, {"5.15", "5"}, {"2.0.0", "2.0"}, {"1", ""}} {
		if compareVersions(c.more, c.less) <= 0 {
			t.Errorf("%q is not newer than %q", c.more, c.less)
		}
	}
}

func TestLibrariesOfThisMachine(t *testing.T) {
	libc, err := FindLibrary("libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"libc", "c", libc.Path} {
		o, err := FindLibrary(name)
		if err != nil || o.Ino != libc.Ino || o.Dev != libc.Dev || o.Path != libc.Path {
			t.Errorf("%s: %+v %v, want %+v", name, o, err, libc)
		}
	}
	if filepath.Base(libc.Path) != "libc.so.6" || libc.Ino == 0 || !isLibrary(libc.Open) || libc.Program {
		t.Errorf("%+v", libc)
	}
	pthread, err := FindLibrary("pthread")
	if err != nil || hollow(pthread.Open) {
		t.Errorf("pthread: %+v %v has no functions", pthread, err)
	}
	if pthread.Ino == libc.Ino && !strings.Contains(pthread.Note, "libc.so.6") {
		t.Errorf("pthread is libc and nobody says so: %+v", pthread)
	}
}

func TestTheFileIsTheOneThatLdSoMaps(t *testing.T) {
	idle := fixture.Build(t, "c/idle.c")
	out, err := exec.Command("ldd", idle).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(out), "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " => ")
		path, _, _ := strings.Cut(rest, " ")
		if !ok {
			continue
		}
		o, err := FindLibrary(name)
		if err != nil || fileID(path) != (identity{o.Dev, o.Ino}) && o.Note == "" {
			t.Errorf("%s: %+v %v, ldd says %s", name, o, err, path)
		}
	}
}

func TestMissingLibrariesComeWithHints(t *testing.T) {
	for name, hint := range map[string]string{"libsssl": "libssl", "libpthraed": "libpthread", "crypot": "libcrypto"} {
		if _, err := FindLibrary(strings.TrimPrefix(hint, "lib")); err != nil {
			continue // not installed here
		}
		_, err := FindLibrary(name)
		wantDiagnostic(t, name, err, NoLibrary, hint)
	}
	_, err := FindLibrary("/no/such/libx.so")
	wantDiagnostic(t, "path", err, NoLibrary, "")
	_, err = Find("no-such-thing-at-all")
	wantDiagnostic(t, "anything", err, NoLibrary, "")
}

// lay writes files below a root, with libc as the content of every library and links as given.
func lay(t *testing.T, files map[string]string) root {
	t.Helper()
	dir := t.TempDir()
	libc, err := FindLibrary("libc")
	if err != nil {
		t.Fatal(err)
	}
	library, err := os.ReadFile(libc.Open)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch to, isLink := strings.CutPrefix(content, "->"); {
		case isLink:
			err = os.Symlink(to, full)
		case content == "LIBRARY":
			err = os.WriteFile(full, library, 0o755)
		default:
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root(dir)
}

func TestLibrariesBelowAnotherRoot(t *testing.T) {
	cache := writeCache([]entry{
		{"libx.so.1", "/opt/libx.so.1", flagsX8664, 0},
		{"libx.so.1", "/opt/v2/libx.so.1", flagsX8664, hwcapExtension},
		{"libx.so.2", "/opt/libx.so.2", flagsX8664, 0},
		{"liby.so.1", "/opt/gone/liby.so.1", flagsX8664, 0},
	}, []string{"x86-64-v2"}, false)
	for _, c := range []struct {
		name  string
		files map[string]string
		path  string // LD_LIBRARY_PATH
		ask   string
		want  string // display path, "" no-library
		open  string // below the root, "" the same
	}{
		{"the cache names the file", map[string]string{"/etc/ld.so.cache": string(cache), "/opt/libx.so.1": "LIBRARY"}, "", "libx.so.1", "/opt/libx.so.1", ""},
		{"the better processor's file first", map[string]string{"/etc/ld.so.cache": string(cache), "/opt/libx.so.1": "LIBRARY", "/opt/v2/libx.so.1": "LIBRARY"},
			"", "libx.so.1", "/opt/v2/libx.so.1", ""},
		{"the newest of several versions", map[string]string{"/etc/ld.so.cache": string(cache), "/opt/libx.so.1": "LIBRARY", "/opt/libx.so.2": "LIBRARY"},
			"", "x", "/opt/libx.so.2", ""},
		{"LD_LIBRARY_PATH before the cache", map[string]string{"/etc/ld.so.cache": string(cache), "/opt/libx.so.2": "LIBRARY", "/mine/libx.so.1": "LIBRARY"},
			"/none:/mine", "x", "/mine/libx.so.1", ""},
		{"an absolute link stays below the root", map[string]string{"/usr/lib/libx.so.1": "->/data/real.so.1.2", "/data/real.so.1.2": "LIBRARY"},
			"", "x", "/usr/lib/libx.so.1", "/data/real.so.1.2"},
		{"a linked folder reads as the kernel's maps say", map[string]string{"/lib": "->usr/lib", "/usr/lib/libx.so.1": "LIBRARY"}, "", "x", "/usr/lib/libx.so.1", ""},
		{"a linker script is no library", map[string]string{"/usr/lib/libx.so": "GROUP ( /usr/lib/libx.so.1 )", "/usr/lib/libx.so.1": "LIBRARY"},
			"", "libx.so", "/usr/lib/libx.so.1", ""},
		{"no cache but a configuration", map[string]string{"/etc/ld.so.conf": "# none\ninclude more.d/*.conf\n", "/etc/more.d/a.conf": "/opt/deep, /opt/other # x\n",
			"/opt/other/libx.so.1": "LIBRARY"}, "", "x", "/opt/other/libx.so.1", ""},
		{"musl's path file", map[string]string{"/etc/ld-musl-x86_64.path": "/musl/lib\n/musl/more", "/musl/more/libx.so.1": "LIBRARY"}, "", "x", "/musl/more/libx.so.1", ""},
		{"musl's libc", map[string]string{"/lib/ld-musl-x86_64.so.1": "LIBRARY"}, "", "libc", "/lib/ld-musl-x86_64.so.1", ""},
		{"pthread in musl's libc", map[string]string{"/lib/ld-musl-x86_64.so.1": "LIBRARY"}, "", "pthread", "/lib/ld-musl-x86_64.so.1", ""},
		{"a loop of links", map[string]string{"/usr/lib/libx.so.1": "->libx.so.2", "/usr/lib/libx.so.2": "->libx.so.1"}, "", "x", "", ""},
		{"the cached file is gone", map[string]string{"/etc/ld.so.cache": string(cache)}, "", "liby", "", ""},
		{"only a linker script", map[string]string{"/usr/lib/libx.so": "GROUP ( nothing )"}, "", "x", "", ""},
		{"by path", map[string]string{"/a/libx.so.1": "->/b/libx.so.1", "/b/libx.so.1": "LIBRARY"}, "", "/a/libx.so.1", "/a/libx.so.1", "/b/libx.so.1"},
	} {
		r := lay(t, c.files)
		f := finder{root: r, paths: splitPaths(c.path), levels: []string{"x86-64-v2"}}
		o, err := f.find(c.ask)
		if c.want == "" {
			wantDiagnostic(t, c.name, err, NoLibrary, "")
			continue
		}
		open := c.open
		if open == "" {
			open = c.want
		}
		if err != nil || o.Path != c.want || o.Open != string(r)+open {
			t.Errorf("%s: %+v %v, want %s", c.name, o, err, c.want)
		}
	}
}

func TestProcessorLevels(t *testing.T) {
	v2 := "\nflags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
	for info, want := range map[string]string{
		"": "", v2: "x86-64-v2", v2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave\nbugs: x": "x86-64-v3 x86-64-v2",
		v2 + " avx512f avx512bw avx512cd avx512dq avx512vl": "x86-64-v2",
	} {
		if got := strings.Join(processorLevels(info), " "); got != want {
			t.Errorf("%q: %s, want %s", info, got, want)
		}
	}
}

func TestALibraryGoesBeforeAProgramOfItsName(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, "/bin/true", dir+"/z")
	copyFile(t, "/bin/true", dir+"/only-a-program")
	t.Setenv("PATH", dir)
	library, err := Find("z")
	if err != nil || library.Program || !strings.Contains(library.Note, dir+"/z") {
		t.Errorf("%+v %v", library, err)
	}
	program, err := Find("only-a-program")
	if err != nil || !program.Program || program.Path != dir+"/only-a-program" {
		t.Errorf("%+v %v", program, err)
	}
	byPath, err := Find(dir + "/z")
	if err != nil || !byPath.Program {
		t.Errorf("%+v %v", byPath, err)
	}
	_, err = Find("only-a-progarm")
	wantDiagnostic(t, "a program misspelt", err, NoLibrary, "only-a-program")
}
