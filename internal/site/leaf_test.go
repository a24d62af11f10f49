package site

import "testing"

// Leaves, and functions that go on on another stack, are told by their instructions.
func TestLeavesAndStackSwitches(t *testing.T) {
	for _, c := range []struct {
		name           string
		code           string
		leaf, switches bool
	}{
		{"ret", "\xc3", true, false},
		{"call", "\xe8\x00\x01\x00\x00\xc3", false, false},
		{"tail jump", "\xe9\x00\x01\x00\x00", false, false},
		{"a loop", "\xff\xcf\x75\xfc\xc3", true, false},
		{"indirect jump", "\xff\xe0", false, false},
		{"mov %rsi,%rsp", "\x48\x89\x27\x48\x89\xf4\xc3", true, true},
		{"mov (%rsi),%rsp", "\x48\x8b\x26\xc3", true, true},
		{"mov %rsp,%rax; mov %rax,%rsp", "\x48\x89\xe0\x48\x89\xc4\xc3", true, false},
		{"mov -8(%rbp),%rsp", "\x48\x8b\x65\xf8\xc3", true, false},
		{"mov %rbp,%rsp", "\x48\x89\xec\xc3", true, false},
		{"xchg %rax,%rsp", "\x48\x94\xc3", true, true},
	} {
		code := []byte(c.code)
		if got := Leaf(code); got != c.leaf {
			t.Errorf("%s: leaf %v", c.name, got)
		}
		if got := SwitchesStacks(code); got != c.switches {
			t.Errorf("%s: switches stacks %v", c.name, got)
		}
	}
}

// Every switch of stacks is among the places that the quick search finds.
func TestStackLoadsAreFound(t *testing.T) {
	text := []byte("\x90\x90\x48\x89\xf4\xc3\x48\x8b\x26\xc3\x49\x87\xe0\x90")
	if got := StackLoads(text); len(got) != 3 || got[0] != 2 || got[1] != 6 || got[2] != 10 {
		t.Errorf("%v", got)
	}
}
