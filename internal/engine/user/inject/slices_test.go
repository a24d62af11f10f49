package inject

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// Every patch is in one slice, those of a function in the same one, and no slice of several functions has more pages than it may.
func TestPatchesOfAFunctionAreMadeInOneStop(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var patches []Patch
		var order []int
		for fn := range uint64(1 + random.IntN(100)) {
			at := fn * uint64(1+random.IntN(9000))
			for range 1 + random.IntN(5) {
				order = append(order, len(patches))
				patches = append(patches, Patch{Function: at, Addr: at + uint64(random.IntN(30000))})
			}
		}
		most := random.IntN(20)
		in := map[uint64]int{}
		var seen []int
		for n, slice := range sliced(patches, slices.Clone(order), most) {
			functions, pages := map[uint64]bool{}, map[uint64]bool{}
			for i, k := range slice {
				p := patches[k]
				if i > 0 && p.Addr < patches[slice[i-1]].Addr {
					t.Fatalf("%#x comes before %#x", patches[slice[i-1]].Addr, p.Addr)
				}
				if was, known := in[p.Function]; known && was != n {
					t.Fatalf("a function is in the slices %d and %d", was, n)
				}
				in[p.Function], functions[p.Function], pages[p.Addr/pageSize] = n, true, true
			}
			if len(functions) > 1 && len(pages) > most {
				t.Fatalf("%d functions on %d pages, at most %d are wanted", len(functions), len(pages), most)
			}
			seen = append(seen, slice...)
		}
		if slices.Sort(seen); !slices.Equal(seen, order) {
			t.Fatalf("%v of %v", seen, order)
		}
	}
}

// Patched and restored in several stops, functions are counted exactly, and their bytes are their own again.
func TestFunctionsArePatchedInSeveralStops(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hot.c"), "3")
	fold, step := h.code["fold"], h.code["step"]
	for range 10 {
		p, err := Open(h.pid())
		if err != nil {
			t.Fatal(err)
		}
		p.slice = 0
		c := &counter{t: t, p: p}
		c.attach([]function{fold, step})
		if len(c.refused) > 0 || len(c.region.cuts) != 2 {
			t.Fatalf("refused %v, cuts %v", c.refused, c.region.cuts)
		}
		from, counted := h.calls(), c.count(0)
		h.run()
		if to := h.calls(); c.count(0)-counted != to-from || to == from {
			t.Errorf("%d calls counted, the program made %d", c.count(0)-counted, to-from)
		}
		h.say("go")
		left, result, err := p.Detach(c.region)
		if left || err != nil || result.Stops < 2 {
			t.Errorf("left %v, %d stops, %v", left, result.Stops, err)
		}
		c.close()
		h.untouched(fold)
		h.untouched(step)
	}
	h.exact(fold)
	h.end()
}

// What a later stop cannot patch, because somebody else has taken hold of the process meanwhile, is refused; what an earlier one has patched is counted.
func TestWhatALaterStopCannotPatchIsRefused(t *testing.T) {
	fixture.Need(t, "strace")
	h := start(t, fixture.Build(t, "engine/hot.c"), "3")
	fold, step := h.code["fold"], h.code["step"]
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	p.slice = 0
	c := &counter{t: t, p: p}
	wrote := false
	strace := exec.Command("strace", "-f", "-o", "/dev/null", "-p", strconv.Itoa(h.pid()))
	p.step = func(what string) {
		switch {
		case what == "write":
			wrote = c.region != nil && len(c.region.cuts) == 0
		case what == "released" && wrote:
			wrote = false
			attached(t, h, strace)
		}
	}
	first, second := fold, step
	if step.addr < fold.addr {
		first, second = step, fold
	}
	c.attach([]function{first, second})
	if len(c.refused) != 1 || c.patches[c.refused[0].Patch].Function < second.addr {
		t.Errorf("refused: %v", c.refused)
	}
	p.step = func(string) {}
	if strace.Process == nil {
		t.Fatal("the first stop wrote nothing")
	}
	_ = strace.Process.Kill()
	_ = strace.Wait()
	for end := time.Now().Add(time.Minute); c.count(0) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first function is not counted")
		}
	}
	c.detach()
	h.untouched(fold)
	h.untouched(step)
	h.end()
}

// More places than a journal holds are refused with a hint, before anything is done.
func TestMorePlacesThanAJournalHoldsAreRefused(t *testing.T) {
	q := Request{Near: []Span{{1 << 30, 1<<30 + 8}}, Text: 4096, Sites: maxEntries + 1}
	var d *script.Diagnostic
	if _, err := q.lay(nil); !errors.Is(err, TooLarge) || !errors.As(err, &d) || len(d.Hints) == 0 {
		t.Errorf("%v", err)
	}
	q.Sites--
	if _, err := q.lay(nil); err != nil {
		t.Error(err)
	}
}
