package agg

import (
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
)

// call reads "name tid depth begin end"; end 0 is unfinished.
func call(name string, tid, depth, begin, end int) *event.Call {
	c := &event.Call{Function: name, PID: 1, TID: tid, Depth: depth, Time: at(begin), Outcome: event.Unfinished}
	if end > 0 {
		c.Duration, c.Outcome = time.Duration(end-begin), event.Returned
	}
	return c
}

func names(calls []*event.Call) string {
	var text []string
	for _, c := range calls {
		text = append(text, c.Function)
	}
	return strings.Join(text, " ")
}

func TestCallsComeOutInTheOrderInWhichTheyBegan(t *testing.T) {
	for name, c := range map[string]struct {
		in   []*event.Call
		want []string // what each Add lets go, then what Flush does
	}{
		"alone":            {[]*event.Call{call("a", 1, 0, 1, 2)}, []string{"a", ""}},
		"a child":          {[]*event.Call{call("b", 1, 1, 2, 3), call("a", 1, 0, 1, 4)}, []string{"", "a b", ""}},
		"children's child": {[]*event.Call{call("b", 1, 1, 2, 3), call("d", 1, 2, 5, 6), call("c", 1, 1, 4, 7), call("a", 1, 0, 1, 8)}, []string{"", "", "", "a b c d", ""}},
		"two threads":      {[]*event.Call{call("b", 1, 1, 2, 3), call("x", 2, 0, 2, 3), call("a", 1, 0, 1, 4)}, []string{"", "x", "a b", ""}},
		"the same moment":  {[]*event.Call{call("b", 1, 1, 1, 3), call("a", 1, 0, 1, 4)}, []string{"", "a b", ""}},
		"a lost parent":    {[]*event.Call{call("b", 1, 1, 2, 3), call("c", 1, 0, 5, 6)}, []string{"", "b c", ""}},
		"unfinished, outer first": {[]*event.Call{call("c", 1, 2, 3, 4), call("a", 1, 0, 1, 0), call("b", 1, 1, 2, 0)},
			[]string{"", "", "", "a b c"}},
	} {
		s := NewSequence(100, time.Second)
		for i, in := range c.in {
			if got := names(s.Add(in, start)); got != c.want[i] {
				t.Errorf("%s: call %d lets go %q, want %q", name, i, got, c.want[i])
			}
		}
		if got := names(s.Flush()); got != c.want[len(c.want)-1] {
			t.Errorf("%s: flush gives %q", name, got)
		}
	}
}

func TestGoroutinesKeepTheirOrderAcrossThreads(t *testing.T) {
	s := NewSequence(100, time.Second)
	b, a := call("b", 7, 1, 2, 3), call("a", 8, 0, 1, 4)
	b.Goroutine, a.Goroutine = 5, 5
	s.Add(b, start)
	if got := names(s.Add(a, start)); got != "a b" {
		t.Errorf("got %q", got)
	}
}

func TestHoldingBackIsBoundedInNumberAndTime(t *testing.T) {
	s := NewSequence(3, time.Second)
	s.Add(call("c", 2, 1, 3, 4), start)
	s.Add(call("a", 1, 1, 1, 2), start)
	if got := names(s.Add(call("b", 1, 1, 5, 6), start)); got != "a b c" {
		t.Errorf("at the limit: %q", got)
	}
	s.Add(call("d", 1, 1, 7, 8), start)
	s.Add(call("e", 2, 1, 7, 8), start.Add(900*time.Millisecond))
	if got := names(s.Overdue(start.Add(999 * time.Millisecond))); got != "" {
		t.Errorf("too early: %q", got)
	}
	if got := names(s.Overdue(start.Add(time.Second))); got != "d" {
		t.Errorf("overdue: %q", got)
	}
	if got := names(s.Flush()); got != "e" {
		t.Errorf("left: %q", got)
	}
}

func TestTreeGivesSelfAndTotalTime(t *testing.T) {
	tree := NewTree(100, time.Second)
	for _, c := range []*event.Call{
		call("leaf", 1, 1, 10, 20), call("leaf", 1, 2, 31, 36), call("mid", 1, 1, 30, 50), call("main", 1, 0, 0, 100),
		call("leaf", 2, 0, 0, 7),
		call("fib", 3, 2, 3, 4), call("fib", 3, 1, 2, 6), call("fib", 3, 0, 1, 11),
	} {
		tree.Add(c, start)
	}
	root := tree.Root()
	var lines []string
	var walk func(n *Node, indent string)
	walk = func(n *Node, indent string) {
		for _, child := range n.Children {
			lines = append(lines, indent+child.Function.Function+" "+child.Total.String()+" "+child.Self.String())
			walk(child, indent+".")
		}
	}
	walk(root, "")
	want := "main 100ns 70ns|.mid 20ns 15ns|..leaf 5ns 5ns|.leaf 10ns 10ns|fib 10ns 6ns|.fib 4ns 3ns|..fib 1ns 1ns|leaf 7ns 7ns"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if root.Total != 117 {
		t.Errorf("total %v", root.Total)
	}
	for _, p := range root.Profiles() {
		if p.Function.Function == "fib" && (p.Calls != 3 || p.Total != 10 || p.Self != 10) {
			t.Errorf("recursion counts twice: %+v", p)
		}
		if p.Function.Function == "leaf" && (p.Calls != 3 || p.Total != 22) {
			t.Errorf("leaf: %+v", p)
		}
	}
}

func TestAnUnfinishedCallerGivesItsCalleesTheirPlace(t *testing.T) {
	tree := NewTree(100, time.Second)
	for _, c := range []*event.Call{call("work", 1, 1, 2, 5), call("work", 1, 1, 6, 9), call("main", 1, 0, 1, 0)} {
		tree.Add(c, start)
	}
	root := tree.Root()
	if len(root.Children) != 1 || root.Children[0].Function.Function != "main" || root.Children[0].Children[0].Calls != 2 {
		t.Errorf("root: %+v", root.Children[0])
	}
	if main := root.Children[0]; main.Total != 0 || main.Self != 0 {
		t.Errorf("no time is known of main: %+v", main)
	}
}
