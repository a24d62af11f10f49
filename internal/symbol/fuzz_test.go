package symbol

import (
	"bytes"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// allocated fails when do allocates more than a file of that size may cost: the limits on what compression may give, and a multiple
// of the file for tables.
func allocated(t *testing.T, size int, do func()) {
	const fixed, perByte = 256 << 20, 2048
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if cost := after.TotalAlloc - before.TotalAlloc; cost > fixed+uint64(size)*perByte {
		t.Errorf("%d bytes made us allocate %d", size, cost)
	}
}

// read asks for everything that a File can tell.
func read(f *File) {
	for i := range f.Functions() {
		fn := &f.functions[i]
		f.Display(fn)
		f.At(fn.Addr)
		f.Offset(fn.Addr)
		f.Code(fn)
		f.Implementations(fn)
		f.GoFunction(fn)
		f.GoLine(fn.Addr)
	}
	f.Find(Pattern{Text: "*a*"})
	f.Near("main", 3)
	f.Problems()
	f.Language()
	f.GoVersion()
	f.GoModules()
	f.GoidOffset()
	f.Unwinds()
	f.Needed()
	f.Soname()
	f.Interp()
	f.Pie()
	f.Notes()
	f.Imports()
	f.BuildID()
	f.AddrOf(0x1000)
	f.Bias(Mapping{Offset: 0x1000, Exec: true})
}

// FuzzOpen: no file makes the reader panic, hang or allocate without bound; what cannot be read is an error.
func FuzzOpen(f *testing.F) {
	add := func(path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 64<<10 {
			f.Add(data)
		}
	}
	small := []string{"-g0", "-Wl,-z,noseparate-code"}
	add(fixture.Build(f, "c/symbols.c", append(small, inFixtures("c/symbols_more.c"))...))
	add(fixture.Build(f, "c/symbols.c", append(small, inFixtures("c/symbols_more.c"), "-s", "-rdynamic")...))
	add(fixture.Build(f, "c/versions.c", append(small, "-shared", "-fPIC", "-Wl,--version-script="+inFixtures("c/versions.map"))...))
	add(fixture.Build(f, "cc/symbols.cc", small...))
	f.Add([]byte("#!/bin/sh\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkHeader("x", data) != nil {
			return
		}
		allocated(t, len(data), func() {
			image, err := newImage(bytes.NewReader(data), int64(len(data)), "x")
			if err != nil {
				return
			}
			read(&File{path: "x", image: image})
		})
	})
}

// FuzzPclntab: no Go function table makes the reader panic or run beyond it.
func FuzzPclntab(f *testing.F) {
	for _, l := range pclnLayouts {
		f.Add(buildPclntab(l))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		allocated(t, len(data), func() {
			table, err := newPclntab(data)
			if err != nil {
				return
			}
			for i := range table.count {
				fn, _ := table.function(i)
				table.nameAt(fn.name)
				table.file(fn.unit, table.valueAt(fn.pcfile, 1))
				table.covered(fn.pcsp)
				table.find(table.entry(i))
			}
		})
	})
}

// FuzzUnpack: no stream makes the decompressor panic or give more than it may.
func FuzzUnpack(f *testing.F) {
	for _, option := range []string{"-6", "--check=none"} {
		data, err := os.ReadFile(packSymbols(f, fixture.Build(f, "c/clone.c", "-g0"), option))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	const limit = 1 << 20
	f.Fuzz(func(t *testing.T, data []byte) {
		allocated(t, len(data), func() {
			if out, err := unpackXZ(data, limit); err == nil && len(out) > limit {
				t.Errorf("%d bytes", len(out))
			}
		})
	})
}

// FuzzNames: every name has a form to show, and is found by itself.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"main", "_ZN4shop5priceEi", "_ZN4core3fmt9Formatter9write_fmt17h0123456789abcdefE.llvm.1", "_RNvMNtCs1_3std2fmtNtB2_5Arena3new",
		"main.(*Stack[go.shape.struct { A int }]).Push", "_ZNK3foo3barIiEclEv.constprop.0", "operator<<", "_ZlsRSoi", "type:.eq.[2]string", "a.cold",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || strings.Contains(name, "\x00") {
			return
		}
		for _, language := range []event.Language{event.LangC, event.LangCPP, event.LangRust, event.LangGo} {
			forms := spell(name, language).forms
			if len(forms) == 0 || len(forms[0]) == 0 {
				t.Fatalf("%q has no form", name)
			}
			for _, form := range forms {
				if !exactMatcher(form).match(form) {
					t.Errorf("%q does not match itself", form)
				}
				lastPart(withoutParameters(form))
			}
		}
	})
}

// FuzzGlob: a glob means the same as the regular expression it stands for.
func FuzzGlob(f *testing.F) {
	for _, c := range [][2]string{{"a*b?c", "axxbyc"}, {"*", ""}, {"[a-c]*x", "bxxx"}, {"[!a]b", "cb"}, {`\*a`, "*a"}, {"a**b*", "ab"}, {"[]a]", "]"}, {"[", "["}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.ContainsFunc(pattern+name, func(r rune) bool { return r >= 0x80 || r == '\n' }) || len(pattern) > 64 || len(name) > 64 {
			return
		}
		expression, ok := globExpression(pattern)
		if !ok {
			return
		}
		re, err := regexp.Compile(expression)
		if err != nil {
			return
		}
		if got, want := glob(pattern, name), re.MatchString(name); got != want {
			t.Errorf("%q, %q: %v; %s says %v", pattern, name, got, expression, want)
		}
	})
}

// globExpression translates a glob; sets only of letters, for those with other characters differ in syntax.
func globExpression(pattern string) (string, bool) {
	var out strings.Builder
	out.WriteString("^")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			out.WriteString(".*")
		case '?':
			out.WriteString(".")
		case '[':
			end := strings.IndexByte(pattern[i+1:], ']')
			if end <= 0 {
				return "", false
			}
			set := pattern[i+1 : i+1+end]
			if strings.Trim(strings.TrimPrefix(set, "!"), "abcdefghijklmnopqrstuvwxyz") != "" || set == "!" {
				return "", false
			}
			out.WriteString("[" + strings.Replace(set, "!", "^", 1) + "]")
			i += end + 1
		case '\\':
			if i++; i == len(pattern) {
				return "", false
			}
			out.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			out.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return out.String() + "$", true
}
