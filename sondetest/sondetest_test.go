package sondetest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/sondetest"
)

type cache struct{ loaded map[string]int }

func (c *cache) get(key string) int {
	if _, ok := c.loaded[key]; !ok {
		c.loaded[key] = c.load(key)
	}
	return c.loaded[key]
}

//go:noinline
func (c *cache) load(key string) int { return len(key) }

//go:noinline
func deep(n int) int {
	var pad [256]byte
	if n == 0 {
		return int(pad[0])
	}
	return deep(n-1) + int(pad[n%256])
}

const own = "github.com/sonde-project/sonde/sondetest_test."

func TestCallsAreCountedExactly(t *testing.T) {
	fixture.NeedRoot(t)
	calls := sondetest.CountCalls(t, own+"(*cache).load")
	c := &cache{map[string]int{}}
	if n := calls(); n != 0 {
		t.Errorf("%d calls before the first", n)
	}
	for range 10 {
		c.get("a")
		c.get("bc")
	}
	if n := calls(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestCallsOnManyGoroutinesWhoseStacksGrowAreCountedExactly(t *testing.T) {
	fixture.NeedRoot(t)
	calls := sondetest.CountCalls(t, own+"deep")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				deep(100)
				runtime.Gosched()
			}
		})
	}
	all.Wait()
	if n := calls(); n != 20*10*101 {
		t.Errorf("%d calls, want %d", n, 20*10*101)
	}
}

// parts run in a process of their own, by the value of SONDETEST_PART.
func parts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"condition": func(t *testing.T) {
			calls := sondetest.CountCalls(t, own+"deep", sonde.If("n > 90"))
			deep(100)
			if n := calls(); n != 10 {
				t.Errorf("%d calls, want 10", n)
			}
		},
		"values": func(t *testing.T) {
			calls := sondetest.TraceCalls(t, own+"(*cache).load")
			c := &cache{map[string]int{}}
			c.get("moon")
			c.get("moon")
			c.get("it")
			var got []string
			for _, call := range calls() {
				got = append(got, fmt.Sprint(call.Arg("key").Chars(), " ", call.Return))
			}
			if strings.Join(got, ", ") != "moon 4, it 2" {
				t.Errorf("%q", got)
			}
		},
		"deep":  func(t *testing.T) { sondetest.CountCalls(t, own+"deep") },
		"wrong": func(t *testing.T) { sondetest.CountCalls(t, own+"deeep") },
	}
}

// TestPart is one of the parts when the environment asks for it.
func TestPart(t *testing.T) {
	if part := parts()[os.Getenv("SONDETEST_PART")]; part != nil {
		part(t)
	}
}

// apart runs a part in a process of its own, behind the words of a command, and gives what it printed.
func apart(t *testing.T, part, ci, program string, before ...string) string {
	t.Helper()
	argv := append(before, program, "-test.run=TestPart$", "-test.v")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "SONDETEST_PART="+part, "CI="+ci)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// open gives a copy of this program that any user may execute.
func open(t *testing.T) string {
	t.Helper()
	program, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("", "sondetest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	_, err = f.Write(program)
	if err := errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func TestConditionsAndValuesGoByNameWhereThereIsDebugInformation(t *testing.T) {
	fixture.NeedRoot(t)
	binary := filepath.Join(t.TempDir(), "kept.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, part := range []string{"condition", "values"} {
		if out := apart(t, part, "", binary); !strings.Contains(out, "--- PASS: TestPart") {
			t.Errorf("%s:\n%s", part, out)
		}
	}
}

func TestWithoutPrivilegesATestIsSkippedAndOnCIItFails(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "setpriv")
	drop := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs"}
	program := open(t)
	if out := apart(t, "deep", "", program, drop...); !strings.Contains(out, "--- SKIP") || !strings.Contains(out, "may not observe itself") {
		t.Errorf("without privileges:\n%s", out)
	}
	if out := apart(t, "deep", "true", program, drop...); !strings.Contains(out, "--- FAIL") || !strings.Contains(out, "not-permitted") {
		t.Errorf("without privileges on CI:\n%s", out)
	}
}

func TestAFunctionThatIsNotThereFailsTheTestWithNearNames(t *testing.T) {
	fixture.NeedRoot(t)
	if out := apart(t, "wrong", "", self(t)); !strings.Contains(out, "--- FAIL") || !strings.Contains(out, own+"deep") {
		t.Errorf("a wrong name:\n%s", out)
	}
}
