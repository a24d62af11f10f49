package symbol

import (
	"bytes"
	"encoding/binary"
)

// ErrnoPlace says where a C library keeps errno: at the thread pointer plus Offset, or, when Got is not 0, plus the
// number that the dynamic linker stored at Got.
type ErrnoPlace struct {
	Got    Addr
	Offset int64
}

// Errno reads the place of errno off the code of __errno_location, which gives its address and nothing else. It is false
// for objects that are no C library, and for code of another shape.
func (f *File) Errno() (ErrnoPlace, bool) {
	found, err := f.Find(Pattern{Text: "__errno_location"})
	if err != nil || len(found) != 1 {
		return ErrnoPlace{}, false
	}
	code, err := f.Code(found[0])
	if err != nil {
		return ErrnoPlace{}, false
	}
	return errnoPlace(code, found[0].Addr)
}

// Instructions of __errno_location in glibc and musl.
var (
	loadGot    = []byte{0x48, 0x8b, 0x05}                               // mov disp32(%rip), %rax
	addGot     = []byte{0x48, 0x03, 0x05}                               // add disp32(%rip), %rax
	loadThread = []byte{0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}       // mov %fs:0, %rax
	addThread  = []byte{0x64, 0x48, 0x03, 0x04, 0x25, 0, 0, 0, 0, 0xc3} // add %fs:0, %rax; ret
	addByte    = []byte{0x48, 0x83, 0xc0}                               // add imm8, %rax
	addLong    = []byte{0x48, 0x05}                                     // add imm32, %rax
)

func errnoPlace(code []byte, addr Addr) (ErrnoPlace, bool) {
	rest := bytes.TrimPrefix(code, []byte(endbr64))
	if got, ok := bytes.CutPrefix(rest, loadGot); ok && len(got) > 4 && bytes.HasPrefix(got[4:], addThread) {
		return gotPlace(code, got, addr)
	}
	after, ok := bytes.CutPrefix(rest, loadThread)
	if !ok {
		return ErrnoPlace{}, false
	}
	if got, ok := bytes.CutPrefix(after, addGot); ok && len(got) > 4 && got[4] == 0xc3 {
		return gotPlace(code, got, addr)
	}
	if n, ok := bytes.CutPrefix(after, addByte); ok && len(n) > 1 && n[1] == 0xc3 {
		return ErrnoPlace{Offset: int64(int8(n[0]))}, true
	}
	if n, ok := bytes.CutPrefix(after, addLong); ok && len(n) > 4 && n[4] == 0xc3 {
		return ErrnoPlace{Offset: int64(int32(binary.LittleEndian.Uint32(n)))}, true
	}
	return ErrnoPlace{}, false
}

// gotPlace computes what an instruction refers to: rest begins with its displacement, which counts from its end.
func gotPlace(code, rest []byte, addr Addr) (ErrnoPlace, bool) {
	end := int64(len(code)-len(rest)) + 4
	displacement := int64(int32(binary.LittleEndian.Uint32(rest)))
	return ErrnoPlace{Got: addr + Addr(end+displacement)}, true
}
