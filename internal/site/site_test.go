package site

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// asm joins instructions written as bytes.
func asm(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

const (
	push   = "\x55"                         // push %rbp
	ret    = "\xc3"                         // ret
	sub8   = "\x48\x83\xec\x08"             // sub $8,%rsp
	add8   = "\x48\x83\xc4\x08"             // add $8,%rsp
	testDI = "\x85\xff"                     // test %edi,%edi
	movR11 = "\x49\x89\xfb"                 // mov %rdi,%r11
	movEAX = "\xb8\x01\x00\x00\x00"         // mov $1,%eax
	xorEAX = "\x31\xc0"                     // xor %eax,%eax
	loadDI = "\x48\x8b\x07"                 // mov (%rdi),%rax
	cmpRIP = "\x80\x3d\x00\x10\x00\x00\x00" // cmpb $0,0x1000(%rip)
)

func TestEntryOfC(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   []byte
		offset uint64
		cost   Cost
		text   string
	}{
		{"a push is probed itself", asm(push, ret), 0, Emulated, "push %rbp"},
		{"never at a 5-byte nop", asm(nop5, push, ret), 5, Emulated, "push %rbp"},
		{"nor at another one", asm("\x0f\x1f\x44\x00\x08", sub8, add8, ret), 5, Stepped, "sub $0x8,%rsp"},
		{"behind endbr64 and a 5-byte nop", asm(endbr64, nop5, push, ret), 9, Emulated, "push %rbp"},
		{"the push after endbr64", asm(endbr64, push, ret), 4, Emulated, "push %rbp"},
		{"endbr64 where what follows is stepped too", asm(endbr64, sub8, add8, ret), 0, Stepped, "endbr64"},
		{"nothing behind the stack pointer", asm(sub8, push, "\x5d", add8, ret), 0, Stepped, "sub $0x8,%rsp"},
		{"a conditional jump behind its test", asm(testDI, "\x74\x01", "\x90", ret), 2, Emulated, "je .+0x1"},
		{"endbr64, then a test, then a jump", asm(endbr64, testDI, "\x74\x01", "\x90", ret), 6, Emulated, "je .+0x1"},
		{"%r11 carries no argument", asm(movR11, push, "\x5d", ret), 3, Emulated, "push %rbp"},
		{"%rax counts vector arguments", asm(movEAX, push, "\x5d", ret), 0, Stepped, "mov $0x1,%eax"},
		{"a load through a pointer may fault", asm(loadDI, push, "\x5d", ret), 0, Stepped, "mov (%rdi),%rax"},
		{"a load of the object's own data does not", asm(cmpRIP, "\x75\x01", "\x90", ret), 7, Emulated, "jne .+0x1"},
		{"never at a branch target", asm(testDI, "\x74\x01", "\x90", "\xeb\xfb", ret), 0, Stepped, "test %edi,%edi"},
		{"never behind a branch target", asm(testDI, movR11, push, "\x5d", "\xeb\xf9", ret), 0, Stepped, "test %edi,%edi"},
		{"after endbr64 although the function has a jump table", asm(endbr64, push, "\xff\xe0"), 4, Emulated, "push %rbp"},
		{"no further with a jump table", asm(testDI, "\x74\x01", "\x90", "\xff\xe0"), 0, Stepped, "test %edi,%edi"},
		{"a loop back behind endbr64 keeps the site on it", asm(endbr64, "\xeb\x00", "\x75\xfc", ret), 0, Stepped, "endbr64"},
		{"the start when the rest cannot be decoded", asm(endbr64, push, "\x06"), 0, Stepped, "endbr64"},
		{"one instruction", asm(ret), 0, Stepped, "ret"},
		{"cut off in the second", asm(endbr64, "\x48"), 0, Stepped, "endbr64"},
	} {
		got, err := ChooseEntry(c.code, event.LangC)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Offset != c.offset || got.Cost != c.cost || got.Instruction != c.text || got.Role != Entry || got.Why == "" {
			t.Errorf("%s: %+v, want +%#x %v %q", c.name, got, c.offset, c.cost, c.text)
		}
	}
}

func TestEntryOfGo(t *testing.T) {
	const (
		small  = "\x49\x3b\x66\x10"                         // cmp 0x10(%r14),%rsp
		larger = "\x4c\x8d\x64\x24\x88\x4d\x3b\x66\x10"     // lea -0x78(%rsp),%r12; cmp 0x10(%r14),%r12
		huge   = "\x49\x89\xe4\x49\x81\xec\x00\x00\x01\x00" // mov %rsp,%r12; sub $0x10000,%r12
		tls    = "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff"     // mov %fs:-8,%rcx
		system = "\x49\x3b\x66\x18"                         // cmp 0x18(%r14),%rsp
		cmpR12 = "\x4d\x3b\x66\x10"                         // cmp 0x10(%r14),%r12
	)
	// after the check: push, pop, ret (3 bytes), then grow: call runtime.morestack, jump to the start.
	with := func(check ...string) []byte {
		code := append(asm(check...), asm(push, "\x5d", ret, "\xe8\x00\x10\x00\x00")...)
		return append(code, 0xeb, byte(-(len(code) + 2)))
	}
	for _, c := range []struct {
		name   string
		code   []byte
		offset uint64
	}{
		{"a small frame", with(small, "\x76\x03"), 6},
		{"a larger frame", with(larger, "\x76\x03"), 11},
		{"a huge frame", with(huge, "\x72\x09", cmpR12, "\x76\x03"), 18},
		{"thread-local g", with(tls, "\x48\x3b\x61\x10", "\x76\x03"), 15},
		{"the system stack's check", with(system, "\x76\x03"), 6},
		{"no check", asm(push, "\x5d", ret), 0},
		{"a comparison that is no stack check", asm(small, "\x76\x01", push, "\x5d", ret), 0},
		{"no check, and no leaving the start", asm(testDI, "\x74\x01", "\x90", ret), 0},
	} {
		got, err := ChooseEntry(c.code, event.LangGo)
		if err != nil || got.Offset != c.offset {
			t.Errorf("%s: %+v %v, want +%#x", c.name, got, err, c.offset)
		}
	}
}

func TestARefusedFirstInstructionIsLeftForAnotherOrReported(t *testing.T) {
	vpor := "\xc5\xf9\xeb\xc0"
	got, err := ChooseEntry(asm(vpor, ret), event.LangC)
	if !errors.Is(err, ErrRefused) || got.Instruction != "vpor %xmm0,%xmm0,%xmm0" {
		t.Errorf("%+v, %v", got, err)
	}
	segment := "\x2e\x0f\x1f\x00" // cs nopl (%rax)
	got, err = ChooseEntry(asm(segment, sub8, add8, ret), event.LangC)
	if err != nil || got.Offset != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCodeThatIsNoneIsAnError(t *testing.T) {
	for _, code := range []string{"", "\x06", "\x48", "\x0f\x0a", "\xc5\xf8", strings.Repeat("\x66", 20)} {
		var decode *DecodeError
		if _, err := ChooseEntry([]byte(code), event.LangC); !errors.As(err, &decode) {
			t.Errorf("% x: %v", code, err)
		}
	}
}

func TestAtTakesBoundariesOnly(t *testing.T) {
	code := asm(endbr64, push, sub8, ret)
	for offset, want := range map[uint64]string{0: "endbr64", 4: "push %rbp", 5: "sub $0x8,%rsp", 9: "ret"} {
		got, err := At(code, offset)
		if err != nil || got.Instruction != want || got.Role != Inside || got.Offset != offset {
			t.Errorf("+%#x: %+v %v, want %s", offset, got, err, want)
		}
	}
	for offset, hint := range map[uint64]string{1: "+0x0 (endbr64) and at +0x4", 7: "+0x5 (sub $0x8,%rsp) and at +0x9", 10: ""} {
		_, err := At(code, offset)
		var diag *script.Diagnostic
		if !errors.As(err, &diag) || diag.Code != "no-instruction" {
			t.Errorf("+%#x: %v", offset, err)
			continue
		}
		if hint != "" && !strings.Contains(fmt.Sprint(diag.Hints), hint) {
			t.Errorf("+%#x: hints %q, want %q", offset, diag.Hints, hint)
		}
	}
	if _, err := At(asm(push, "\x06", ret), 2); err == nil {
		t.Error("a boundary after bytes that are no instruction")
	}
}

func TestTextReadsLikeObjdump(t *testing.T) {
	for bytes, want := range map[string]string{
		"\xf3\x0f\x1e\xfa": "endbr64", "\x3e\xff\xe0": "notrack jmp *%rax", "\xc5\xf8\x77": "vzeroupper",
		"\x48\x8b\x05\x10\x00\x00\x00": "mov 0x10(%rip),%rax", "\xff\x25\x10\x00\x00\x00": "jmp *0x10(%rip)",
		"\xe8\x10\x00\x00\x00": "call .+0x10", "\xc3": "ret", "\xf3\xc3": "rep ret", "\xc2\x08\x00": "ret $0x8",
		"\xeb\xfe": "jmp .-0x2", "\xc9": "leave", "\x41\x54": "push %r12",
		"\xf3\x0f\x1e\xc8": ".byte 0xf3,0x0f,0x1e,0xc8",
	} {
		in, err := decodeOne([]byte(bytes), 0)
		if err != nil || in.Text() != want {
			t.Errorf("% x: %q %v, want %q", bytes, in.Text(), err, want)
		}
	}
}
