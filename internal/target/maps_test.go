package target

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
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

// A program that was started a moment ago had no mappings but its stack, or a part of its own.
func TestProgramThatBeginsIsSeenWhenItIsMapped(t *testing.T) {
	const segments = 1000 // which take the kernel some time
	path := filepath.Join(t.TempDir(), "many")
	if err := os.WriteFile(path, manySegments(segments), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		cmd := exec.Command(path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p, err := Open(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		maps, err := p.Maps()
		mapped := 0
		for _, m := range maps {
			if m.Path == path {
				mapped++
			}
		}
		_ = in.Close()
		if end := cmd.Wait(); err != nil || end != nil || mapped != segments {
			t.Fatalf("%d segments of %d: %v, %v", mapped, segments, err, end)
		}
	}
}

// manySegments is a program that reads a byte and ends, and is mapped n times.
func manySegments(n int) []byte {
	const base, head, entry, apart = 0x400000, 64, 56, 2 << 12
	code := []byte{
		0x31, 0xc0, 0x31, 0xff, 0x48, 0x8d, 0x74, 0x24, 0x80, 0xba, 1, 0, 0, 0, 0x0f, 0x05, // xor eax,eax; xor edi,edi; lea -128(%rsp),%rsi; mov $1,%edx; syscall
		0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05, // mov $60,%eax; xor edi,edi; syscall
	}
	le := binary.LittleEndian
	start := uint64(head + entry*n)
	size := start + uint64(len(code))
	const most = 1 << 16 // of the file, mapped by the first segment alone
	f := append([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0}, make([]byte, 8)...)
	f = le.AppendUint32(le.AppendUint16(le.AppendUint16(f, 2), 62), 1) // ET_EXEC, EM_X86_64
	f = le.AppendUint64(le.AppendUint64(le.AppendUint64(f, base+start), head), 0)
	f = le.AppendUint32(f, 0)
	for _, v := range []uint16{head, entry, uint16(n), 0, 0, 0} {
		f = le.AppendUint16(f, v)
	}
	for i := range uint64(n) {
		at, length, more := uint64(base), size, uint64(0)
		if i > 0 {
			at, length, more = base+most+i*apart, 1, 1 // what comes from no file the kernel clears, and copies a page for it
		}
		f = le.AppendUint32(le.AppendUint32(f, 1), 7) // PT_LOAD, everything allowed
		for _, v := range []uint64{0, at, at, length, length + more, 0x1000} {
			f = le.AppendUint64(f, v)
		}
	}
	return append(f, code...)
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
