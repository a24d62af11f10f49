package script

import "testing"

// points are what the command line may be given, and what it means.
var points = []struct {
	text string
	want Point
}{
	{`libc:malloc`, Point{Target: "libc", Function: "malloc"}},
	{`malloc`, Point{Function: "malloc"}},
	{`:malloc`, Point{Function: "malloc"}},
	{` libc:malloc `, Point{Target: "libc", Function: "malloc"}},
	{`libc:str*`, Point{Target: "libc", Function: "str*"}},
	{`*:mem[sc]*`, Point{Target: "*", Function: "mem[sc]*"}},
	{`/usr/lib/libc.so.6:malloc`, Point{Target: "/usr/lib/libc.so.6", Function: "malloc"}},
	{`./a.out:/^(get|put)_/`, Point{Target: "./a.out", Function: "^(get|put)_", Regexp: true}},
	{`/^get/`, Point{Function: "^get", Regexp: true}},
	{`/std::vec.*/`, Point{Function: "std::vec.*", Regexp: true}},
	{`:/a:b/`, Point{Function: "a:b", Regexp: true}},
	{`t:/a\/b\\/`, Point{Target: "t", Function: `a/b\\`, Regexp: true}},
	{`t:/[[:alpha:]]+/`, Point{Target: "t", Function: "[[:alpha:]]+", Regexp: true}},
	{`T:ns::Class<int>::method(int, char const*)`, Point{Target: "T", Function: "ns::Class<int>::method(int, char const*)"}},
	{`ns::Class::method`, Point{Function: "ns::Class::method"}},
	{`T:::global`, Point{Target: "T", Function: "global"}},
	{`::global`, Point{Function: "global"}},
	{`T:Class::get() const`, Point{Target: "T", Function: "Class::get() const"}},
	{`T:std::operator<< <char>(int)`, Point{Target: "T", Function: "std::operator<< <char>(int)"}},
	{`T:f[abi:cxx11](int)`, Point{Target: "T", Function: "f[abi:cxx11](int)"}},
	{`f[abi:cxx11](int)`, Point{Function: "f[abi:cxx11](int)"}},
	{`T:operator+`, Point{Target: "T", Function: "operator+"}},
	{`T:operator++(int)`, Point{Target: "T", Function: "operator++(int)"}},
	{`T:operator++0x4`, Point{Target: "T", Function: "operator+", Offset: 4, HasOffset: true}},
	{`T:main.(*Store).Put`, Point{Target: "T", Function: "main.(*Store).Put"}},
	{`T:github.com/a/b.(*T[go.shape.int]).M.func1`, Point{Target: "T", Function: "github.com/a/b.(*T[go.shape.int]).M.func1"}},
	{`T:crab::greet`, Point{Target: "T", Function: "crab::greet"}},
	{`T:<crab::S as core::fmt::Debug>::fmt`, Point{Target: "T", Function: "<crab::S as core::fmt::Debug>::fmt"}},
	{`T:crab::main::{{closure}}`, Point{Target: "T", Function: "crab::main::{{closure}}"}},
	{`T:FUNC+0x10`, Point{Target: "T", Function: "FUNC", Offset: 16, HasOffset: true}},
	{`FUNC+16`, Point{Function: "FUNC", Offset: 16, HasOffset: true}},
	{`T:f+0`, Point{Target: "T", Function: "f", HasOffset: true}},
	{`T:0x4011d0`, Point{Target: "T", Address: 0x4011d0, HasAddress: true}},
	{`0x4011d0`, Point{Address: 0x4011d0, HasAddress: true}},
	{`T:file.c:42`, Point{Target: "T", File: "file.c", Line: 42}},
	{`T:src/file.c:42`, Point{Target: "T", File: "src/file.c", Line: 42}},
	{`T:/src/file.c:42`, Point{Target: "T", File: "/src/file.c", Line: 42}},
	{`file.c:42`, Point{File: "file.c", Line: 42}},
	{`:file.c:42`, Point{File: "file.c", Line: 42}},
	{`"/odd:path/my app":main`, Point{Target: "/odd:path/my app", Function: "main"}},
	{`T:"0x10"`, Point{Target: "T", Function: "0x10"}},
	{`T:"a:1"+0x4`, Point{Target: "T", Function: "a:1", Offset: 4, HasOffset: true}},
	{`T:"my file.c":7`, Point{Target: "T", File: "my file.c", Line: 7}},
	{`/opt/my app/x:f`, Point{Target: "/opt/my app/x", Function: "f"}},
	{`usdt:T:provider:name`, Point{Kind: USDT, Target: "T", Provider: "provider", Function: "name"}},
	{`usdt:provider:name`, Point{Kind: USDT, Provider: "provider", Function: "name"}},
	{`usdt:/bin/x:name`, Point{Kind: USDT, Target: "/bin/x", Function: "name"}},
	{`usdt:/a:b/x:provider:name`, Point{Kind: USDT, Target: "/a:b/x", Provider: "provider", Function: "name"}},
	{`<:>,`, Point{Target: "<", Function: ">,"}},
	{`uprobe:libc:malloc`, Point{Target: "libc", Function: "malloc"}},
	{`uretprobe:libc:malloc`, Point{Kind: Uretprobe, Target: "libc", Function: "malloc"}},
}

func TestPointOfTheCommandLineMeansWhatTheRuleSays(t *testing.T) {
	for _, c := range points {
		got, err := ParsePoint(c.text, Uprobe)
		if err != nil {
			t.Errorf("%s\n%s", c.text, err.(*Diagnostic).Format("sonde"))
			continue
		}
		if dump(c.want) != dump(got) {
			t.Errorf("%s\n%s", c.text, dump(got))
		}
		again, err := Parse(got.String() + "{}")
		if err != nil {
			t.Errorf("%s printed as %s\n%s", c.text, got, err.(*Diagnostic).Format("sonde"))
			continue
		}
		if dump(c.want) != dump(again.Probes[0].Points[0]) {
			t.Errorf("%s printed as %s reads back as another point", c.text, got)
		}
	}
}

func TestKindOfTheVerbHoldsUnlessThePointNamesOne(t *testing.T) {
	for text, want := range map[string]PointKind{"libc:malloc": Uretprobe, "uprobe:libc:malloc": Uprobe, "usdt:a:b": USDT} {
		if pt, err := ParsePoint(text, Uretprobe); err != nil || pt.Kind != want {
			t.Errorf("%s: kind %v, %v; want %v", text, pt.Kind, err, want)
		}
	}
}
