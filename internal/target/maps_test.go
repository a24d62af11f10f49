package target

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMappingsReadAsTheKernelWritesThem(t *testing.T) {
	for _, c := range []struct {
		line string
		want Mapping
	}{
		{"55d0c8a00000-55d0c8a01000 r--p 00000000 fd:01 1234                       /usr/bin/true",
			Mapping{0x55d0c8a00000, 0x55d0c8a01000, 0, "r--p", unix.Mkdev(0xfd, 1), 1234, "/usr/bin/true", false}},
		{"7f00-7f01 r-xp 00002000 00:2a 99 /tmp/a b  c (deleted)",
			Mapping{0x7f00, 0x7f01, 0x2000, "r-xp", unix.Mkdev(0, 0x2a), 99, "/tmp/a b  c", true}},
		{"7f00-7f01 rwxs 00000000 00:01 5 /memfd:code of mine (deleted)",
			Mapping{0x7f00, 0x7f01, 0, "rwxs", unix.Mkdev(0, 1), 5, "/memfd:code of mine", true}},
		{`7f00-7f01 r-xp 00000000 00:01 5 /a\012b`, Mapping{0x7f00, 0x7f01, 0, "r-xp", unix.Mkdev(0, 1), 5, "/a\nb", false}},
		{"7ffc0000-7ffc1000 rw-p 00000000 00:00 0                          [stack]",
			Mapping{0x7ffc0000, 0x7ffc1000, 0, "rw-p", 0, 0, "[stack]", false}},
		{"7f00-7f01 rw-p 00000000 00:00 0 ", Mapping{0x7f00, 0x7f01, 0, "rw-p", 0, 0, "", false}},
		{"7f00-7f01 rw-p 00000000 00:00 0", Mapping{0x7f00, 0x7f01, 0, "rw-p", 0, 0, "", false}},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
			Mapping{0xffffffffff600000, 0xffffffffff601000, 0, "--xp", 0, 0, "[vsyscall]", false}},
	} {
		got, err := parseMapping(c.line)
		if err != nil || got != c.want {
			t.Errorf("%q: %+v %v", c.line, got, err)
		}
	}
	for _, line := range []string{"", "x", "7f00-7f01", "7f00-7f01 rw-p", "7f01-7f00 rw-p 0 00:00 0", "7f00-7f01 rw-p 0 0000 0",
		"7f00-7f01 rw 0 00:00 0", "7f00-7f01 rw-p 0 00:00 -1", "7f00-7f01 rw-p 0 fffffffff:00 0 /x", "g-h rw-p 0 0:0 0"} {
		if got, err := parseMapping(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestOwnMappingsHoldOwnCode(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	maps, err := p.Maps()
	if err != nil || len(maps) < 5 {
		t.Fatal(len(maps), err)
	}
	text, _ := os.ReadFile("/proc/self/maps")
	if lines := strings.Count(string(text), "\n"); lines-len(maps) > 3 || len(maps)-lines > 3 {
		t.Errorf("%d mappings of %d lines", len(maps), lines)
	}
}

// Property: whatever the text, no panic, and what comes out is a range of addresses.
func FuzzMaps(f *testing.F) {
	text, _ := os.ReadFile("/proc/self/maps")
	f.Add(string(text))
	f.Add("7f00-7f01 r-xp 00002000 00:2a 99 /tmp/a b  c (deleted)\n7f\n")
	f.Fuzz(func(t *testing.T, text string) { checkMaps(t, text) })
}

func checkMaps(t *testing.T, text string) {
	for _, m := range parseMaps(text) {
		if m.Start >= m.End || len(m.Perms) != 4 || strings.HasSuffix(m.Path, " (deleted)") && m.Deleted && strings.Count(m.Path, " (deleted)") == 0 {
			t.Fatalf("%+v of %q", m, text)
		}
	}
}

func TestAThousandDamagedMapsDoNoHarm(t *testing.T) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewSource(1))
	for range 1000 {
		checkMaps(t, string(damage(random, text)))
	}
}

// damage changes, cuts and repeats bytes.
func damage(random *rand.Rand, data []byte) []byte {
	out := append([]byte(nil), data...)
	for range 1 + random.Intn(8) {
		if len(out) == 0 {
			break
		}
		at := random.Intn(len(out))
		switch random.Intn(4) {
		case 0:
			out[at] = byte(random.Intn(256))
		case 1:
			out = out[:at]
		case 2:
			out = append(out[:at], out[min(len(out), at+random.Intn(64)):]...)
		case 3:
			out = append(out, out[at:min(len(out), at+200)]...)
		}
	}
	return out
}

func TestStatNamesMayHoldAnything(t *testing.T) {
	rest := " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3"
	for _, name := range []string{"cat", "a b", ") S 1 (", "((", "", "x\ny"} {
		s, ok := parseStat(fmt.Sprintf("12 (%s)%s", name, rest))
		if !ok || s.comm != name || s.ppid != 7 || s.start != 987654 || s.state != "S" {
			t.Errorf("%q: %+v %v", name, s, ok)
		}
	}
	for _, text := range []string{"", "12", "12 (x", "12 )x(", "12 (x) S", "12 (x) S a b c d e f g h i j k l m n o p q r s t"} {
		if s, ok := parseStat(text); ok {
			t.Errorf("%q: %+v", text, s)
		}
	}
}
