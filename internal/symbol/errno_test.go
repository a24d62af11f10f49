package symbol

import (
	"path/filepath"
	"testing"
)

// TestErrnoIsFoundInTheCodeThatGivesItsAddress: the shapes of __errno_location in glibc and musl.
func TestErrnoIsFoundInTheCodeThatGivesItsAddress(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want ErrnoPlace
		ok   bool
	}{
		"glibc":          {"\x48\x8b\x05\x79\xb7\x1a\x00\x64\x48\x03\x04\x25\x00\x00\x00\x00\xc3", ErrnoPlace{Got: 0x27660 + 7 + 0x1ab779}, true},
		"glibc with CET": {"\xf3\x0f\x1e\xfa\x48\x8b\x05\x10\x00\x00\x00\x64\x48\x03\x04\x25\x00\x00\x00\x00\xc3", ErrnoPlace{Got: 0x27660 + 11 + 16}, true},
		"the other way":  {"\x64\x48\x8b\x04\x25\x00\x00\x00\x00\x48\x03\x05\xf0\xff\xff\xff\xc3", ErrnoPlace{Got: 0x27660 + 16 - 16}, true},
		"musl":           {"\x64\x48\x8b\x04\x25\x00\x00\x00\x00\x48\x83\xc0\x34\xc3", ErrnoPlace{Offset: 0x34}, true},
		"musl, long":     {"\x64\x48\x8b\x04\x25\x00\x00\x00\x00\x48\x05\x00\xff\xff\xff\xc3", ErrnoPlace{Offset: -256}, true},
		"cut":            {"\x48\x8b\x05\x79", ErrnoPlace{}, false},
		"something else": {"\x55\x48\x89\xe5\xc3", ErrnoPlace{}, false},
		"nothing":        {"", ErrnoPlace{}, false},
	} {
		got, ok := errnoPlace([]byte(c.code), 0x27660)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

// TestTheCLibraryHasErrno: the one of this machine, where its place is in a segment that holds data.
func TestTheCLibraryHasErrno(t *testing.T) {
	found, _ := filepath.Glob("/lib*/x86_64-linux-gnu/libc.so.6")
	more, _ := filepath.Glob("/lib64/libc.so.6")
	found = append(found, more...)
	if len(found) == 0 {
		t.Fatal("no C library")
	}
	f, err := Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	place, ok := f.Errno()
	if !ok || place.Got == 0 {
		t.Fatalf("%+v, %v", place, ok)
	}
	for _, s := range f.Segments() {
		if s.Addr <= place.Got && uint64(place.Got) < uint64(s.Addr)+s.Memsz && !s.Exec {
			return
		}
	}
	t.Errorf("%v is in no segment of data", place.Got)
}
