package site

import "testing"

func TestAResultIsGivenWhereTheCodeWritesItsRegister(t *testing.T) {
	for _, c := range []struct {
		name, code string
		gives      bool
	}{
		{"ret alone", "\xc3", false},
		{"endbr64; mov %edi,%edx; ret", "\xf3\x0f\x1e\xfa\x89\xfa\xc3", false},
		{"mov %eax,(%rdi); ret", "\x89\x07\xc3", false},
		{"xor %eax,%eax; ret", "\x31\xc0\xc3", true},
		{"mov $1,%al; ret", "\xb0\x01\xc3", true},
		{"imul %edi; ret", "\xf7\xef\xc3", true},
		{"call elsewhere; ret", "\xe8\x00\x01\x00\x00\xc3", true},
		{"jmp elsewhere", "\xe9\x00\x01\x00\x00", true},
		{"je to the ret; ret", "\x74\x00\xc3", false},
		{"no instruction", "\x06", true},
	} {
		if got := GivesResult([]byte(c.code)); got != c.gives {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
