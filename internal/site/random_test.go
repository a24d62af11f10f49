package site

import (
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// slot is the distance between random instructions: each is followed by nops, at which objdump finds its way again.
const slot = 32

// randomInst gives bytes that often are an instruction, of any opcode map.
func randomInst(r *rand.Rand) []byte {
	var code []byte
	if r.Intn(3) == 0 {
		code = append(code, []byte{0x66, 0xf2, 0xf3, 0x67, 0x64}[r.Intn(5)])
	}
	if r.Intn(4) == 0 {
		code = append(code, byte(0x40+r.Intn(16)))
	}
	switch r.Intn(7) {
	case 0:
		code = append(code, 0x0f)
	case 1:
		code = append(code, 0x0f, []byte{0x38, 0x3a}[r.Intn(2)])
	case 2:
		code = []byte{0xc5, byte(r.Intn(256))}
	case 3:
		code = []byte{0xc4, byte(r.Intn(256))&0xe0 | byte(1+r.Intn(3)), byte(r.Intn(256))}
	case 4:
		code = []byte{0x62, byte(r.Intn(256))&0xf0 | byte(1+r.Intn(3)), byte(r.Intn(256)) | 4, byte(r.Intn(256))}
	}
	for len(code) < maxInst-1 {
		code = append(code, byte(r.Intn(256)))
	}
	for len(code) < slot {
		code = append(code, 0x90)
	}
	return code
}

// otherwise is what objdump reads in its own way: a prefix apart from what follows it, fwait joined with the next, relative
// branches with 66 as AMD's processors take them (Intel's ignore the prefix).
var otherwise = regexp.MustCompile(`\(bad\)|^((rex\S*|repn?z|data16|addr32|lock|[c-gs]s)\s+)+\||\|66 (4. )?(e[89]|0f 8.) |\|(.. )?(4. )?9b `)

func TestRandomInstructionsAreAsLongAsObjdumpSays(t *testing.T) {
	fixture.Need(t, "objdump")
	r := rand.New(rand.NewSource(7))
	var blob []byte
	for range 20_000 {
		blob = append(blob, randomInst(r)...)
	}
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, blob, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-w", "--insn-width=16", "-b", "binary", "-mi386:x86-64", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for line := range strings.Lines(string(out)) {
		place, rest, ok := strings.Cut(strings.TrimSpace(line), ":\t")
		at, err := strconv.ParseUint(strings.TrimSpace(place), 16, 64)
		hex, asm, _ := strings.Cut(rest, "\t")
		if !ok || err != nil || at%slot != 0 || otherwise.MatchString(asm+" |"+hex) {
			continue
		}
		in, err := decodeOne(blob[at:at+slot], 0)
		if want := len(strings.Fields(hex)); err != nil || in.Len != want {
			t.Errorf("%s(%s): length %d %v, objdump %d", hex, asm, in.Len, err, want)
			continue
		}
		same++
	}
	t.Logf("%d instructions of the same length", same)
	if same < 5000 {
		t.Errorf("only %d instructions were compared", same)
	}
}
