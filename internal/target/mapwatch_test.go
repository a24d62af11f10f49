package target

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAWatchTellsWhatAProgramMappedAlthoughItIsGone(t *testing.T) {
	fixture.NeedRoot(t)
	c, err := Start([]string{"sh", "-c", "cat /dev/null; exit 0"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewMapWatch(c.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	libc, cat := map[int]bool{}, false
	forks := map[int]int{}
	w.Read(func(e MapEvent) {
		switch {
		case e.Parent != 0:
			forks[e.PID] = e.Parent
		case strings.Contains(e.Mapping.Path, "libc.so.6"):
			libc[e.PID] = true
			if _, ok := ObjectAt(e.Mapping); !ok {
				t.Errorf("no object at %+v", e.Mapping)
			}
		case strings.HasSuffix(e.Mapping.Path, "/cat"):
			cat = forks[e.PID] == c.PID()
		}
	})
	if !libc[c.PID()] || !cat {
		t.Errorf("libc mapped by %v, cat by a child: %v, forks %v", libc, cat, forks)
	}
}
