package inject

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/target"
)

// A thread that runs on while another one is held may map memory where a region was about to lie: that memory was unmapped under it.
func TestMemoryThatAThreadMapsMeanwhileIsItsOwn(t *testing.T) {
	r := fixture.Start(t, fixture.Build(t, "engine/maps.c", "-pthread"))
	tid := int(r.Number("thread"))
	p, err := target.Open(r.PID)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := p.Maps()
	if err != nil {
		t.Fatal(err)
	}
	code := maps[0]
	for _, m := range maps {
		if m.Exec() && m.Path == r.Path {
			code = m
		}
	}
	q := Request{Text: 1 << 16, Data: 1 << 12, Private: 1 << 12, Sites: 1, Near: []Span{{code.Start, code.End}}}
	l, err := q.lay(maps)
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 14
	taken := Span{l.at[0] + l.size[0] - size, l.at[0] + l.size[0]}
	var region *Region
	err = Visit(r.PID, tid, func(process *Process) {
		process.step = func(what string) {
			if what == "journal" {
				process.step = func(string) {}
				r.Number(fmt.Sprintf("map %x %d", taken.Start, size))
			}
		}
		var err error
		if region, _, err = process.Map(q); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Number("sum"); n != size {
		t.Errorf("%d of %d bytes are what they were", n, size)
	}
	if region == nil {
		t.FailNow()
	}
	for _, s := range region.spans() {
		if s.Start < taken.End && taken.Start < s.End {
			t.Errorf("the region lies at %x, the thread's memory at %x", s, taken)
		}
	}
	whole, err := Open(r.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if _, _, err := whole.Detach(region); err != nil {
		t.Error(err)
	}
	if err := region.Close(); err != nil {
		t.Error(err)
	}
	r.Finish()
}
