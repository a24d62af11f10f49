package symbol

import (
	"bytes"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// languageOf tells a function's language by how its name is mangled, and in a Go program by where it lies.
func (f *File) languageOf(fn *Function) event.Language {
	if from, to, ok := f.goText(); ok && fn.Addr >= from && fn.Addr < to {
		return event.LangGo
	}
	return languageOfName(fn.Name)
}

func languageOfName(name string) event.Language {
	switch {
	case strings.HasPrefix(name, "_R") && len(name) > 2 && name[2] >= 'A' && name[2] <= 'Z', rustLegacy(name):
		return event.LangRust
	case strings.HasPrefix(name, "_ZGV"): // a vector variant of a function (Vector Function ABI); guard variables are no functions
		return event.LangC
	case strings.HasPrefix(name, "_Z") || strings.HasPrefix(name, "___Z") || strings.HasPrefix(name, "_GLOBAL__"):
		return event.LangCPP
	}
	return event.LangC
}

// rustLegacy recognises _ZN...17h<16 hexadecimal digits>E, with or without a clone suffix.
func rustLegacy(name string) bool {
	if !strings.HasPrefix(name, "_ZN") {
		return false
	}
	if dot := strings.LastIndex(name, "E."); dot > 0 {
		name = name[:dot+1]
	}
	const tail = len("17h0123456789abcdefE")
	if len(name) < tail+3 || name[len(name)-1] != 'E' {
		return false
	}
	hash := name[len(name)-tail:]
	return strings.HasPrefix(hash, "17h") && strings.Trim(hash[3:len(hash)-1], "0123456789abcdef") == ""
}

// Language tells what the object was mainly written in: by its functions' names, and for a stripped one by what it imports
// and by what compilers say in .comment.
func (f *File) Language() event.Language {
	if f.isGo() {
		return event.LangGo
	}
	count := map[event.Language]int{}
	functions := f.Functions()
	for i := range functions {
		count[functions[i].Lang]++
	}
	rust, cpp := count[event.LangRust], count[event.LangCPP]
	switch {
	case rust > 0 && rust >= cpp:
		return event.LangRust
	case cpp*4 >= len(functions) && cpp > 0:
		return event.LangCPP
	case f.Stripped() && bytes.Contains(f.image.short(".comment"), []byte("rustc version")):
		return event.LangRust
	case f.needs("libstdc++.so", "libc++.so"):
		return event.LangCPP
	}
	return event.LangC
}

// needs reports whether the object asks for a library with one of these names, of any version.
func (f *File) needs(names ...string) bool {
	for _, needed := range f.Needed() {
		for _, name := range names {
			if strings.HasPrefix(needed, name) {
				return true
			}
		}
	}
	return false
}
