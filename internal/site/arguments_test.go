package site

import "testing"

func TestTheCodeTellsWhichArgumentsItLooksAt(t *testing.T) {
	const rdi, rsi, rdx = 1, 2, 4
	for _, test := range []struct {
		name, code string
		want       Arguments
	}{
		{"lea (%rdi,%rsi),%eax; ret", "\x8d\x04\x37\xc3", Arguments{Read: rdi | rsi}},
		{"mov %edi,%eax; ret", "\x89\xf8\xc3", Arguments{Read: rdi, Narrow: rdi}},
		{"mov %rdi,%rax; ret", "\x48\x89\xf8\xc3", Arguments{Read: rdi, Wide: rdi, Repeats: true}},
		{"mov %rdi,%rax; mov (%rax),%eax; ret", "\x48\x89\xf8\x8b\x00\xc3", Arguments{Read: rdi, Wide: rdi}},
		{"mov 8(%rdi),%eax; ret", "\x8b\x47\x08\xc3", Arguments{Read: rdi, Address: rdi}},
		{"xor %edi,%edi; mov %edi,%eax; ret", "\x31\xff\x89\xf8\xc3", Arguments{}},
		{"mov %esi,%edi; mov %edi,%eax; ret", "\x89\xf7\x89\xf8\xc3", Arguments{Read: rsi, Narrow: rsi}},
		{"push %rdi; pop %rcx; ret", "\x57\x59\xc3", Arguments{}},
		// One way to the last instruction overwrites rdx.
		{"test %edi,%edi; je 1f; xor %edx,%edx; 1: mov %edx,%eax; ret", "\x85\xff\x74\x02\x31\xd2\x89\xd0\xc3", Arguments{Read: rdi}},
		{"call; mov %edi,%eax; ret", "\xe8\x00\x10\x00\x00\x89\xf8\xc3", Arguments{Passed: allArguments}},
		{"mov (%rdi),%rdi; jmp away", "\x48\x8b\x3f\xe9\x00\x10\x00\x00", Arguments{Read: rdi, Address: rdi, Passed: allArguments &^ rdi, Repeats: true}},
		{"push %rbp; mov %rsp,%rbp; mov %rdi,-8(%rbp); mov %esi,-12(%rbp); call; mov -12(%rbp),%eax; pop %rbp; ret",
			"\x55\x48\x89\xe5\x48\x89\x7d\xf8\x89\x75\xf4\xe8\x00\x10\x00\x00\x8b\x45\xf4\x5d\xc3", Arguments{Read: rdi | rsi, Wide: rdi, Narrow: rsi}},
		{"the same, giving back -8(%rbp)",
			"\x55\x48\x89\xe5\x48\x89\x7d\xf8\x89\x75\xf4\xe8\x00\x10\x00\x00\x48\x8b\x45\xf8\x5d\xc3", Arguments{Read: rdi | rsi, Wide: rdi, Narrow: rsi, Repeats: true}},
		{"push %rbx; mov %rdi,%rbx; call; mov %rbx,%rax; pop %rbx; ret", "\x53\x48\x89\xfb\xe8\x00\x10\x00\x00\x48\x89\xd8\x5b\xc3",
			Arguments{Read: rdi, Wide: rdi, Passed: allArguments, Repeats: true}},
		{"what is no code", "\x06", Arguments{Repeats: true}},
	} {
		if got := ReadArguments([]byte(test.code)); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}
