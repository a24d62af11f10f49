package script

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// dump writes a tree without its places in the text, one field a line: two trees are the same when their dumps are.
func dump(tree any) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(tree))
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil\n")
			return
		}
		dumpValue(b, v.Elem())
	case reflect.Slice:
		fmt.Fprintf(b, "%d of\n", v.Len())
		for i := range v.Len() {
			dumpValue(b, v.Index(i))
		}
	case reflect.Struct:
		fmt.Fprintf(b, "%s\n", v.Type())
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).Type() == reflect.TypeFor[Span]() || v.Type() == reflect.TypeFor[Script]() && name == "Text" {
				continue
			}
			fmt.Fprintf(b, "%s ", name)
			dumpValue(b, v.Field(i))
		}
	default:
		fmt.Fprintf(b, "%#v\n", v)
	}
}

// scripts are programs that parse: cases of this package's tests and seeds of its fuzzing.
var scripts = []string{
	`uprobe:libc:malloc { @[func] = count(); }`,
	"#!/usr/bin/env sonde run\nBEGIN { printf(\"go\\n\"); }\nEND { clear(@); }",
	`u:/usr/bin/bash:readline, ur:./a.out:main.(*Store).Put /pid == 1 && comm != "x"/ { print(retval); exit(); }`,
	`uprobe:libc:/^mem(cpy|set)$/ /arg2 > 1 << 10/{@=hist(arg2)}`,
	`uretprobe:libssl:SSL_* / duration / 1000 > 5 / { @t[tid, ustack(perf, 3)] = lhist(duration / 1e6, 0, 100, 10); }`,
	`uprobe:"/opt/my app/x:y":"ns::f(int, char)" { @a["k", 1] += 2; delete(@a["k", 1]); }`,
	`uprobe:t:ns::Box<int, char>::put(int, char const*) { call(); }`,
	`uprobe:t:f+0x10, uprobe:t:0x4011d0, uprobe:t:src/a.c:42, uprobe::main, uprobe:f { call(ustack); }`,
	`usdt:libc:setjmp, usdt:/bin/x:probe, usdt:t:prov:na* { print(arg0); }`,
	`interval:s:1 { print(@x, 5, 1000); clear(@x); } interval:ms:10 { } i:hz:99 { } interval:us:7 { } interval:100ms { } profile:hz:9{}`,
	`config = { stack_mode = perf; max_strlen = 100 } BEGIN { return; }`,
	`BEGIN { if (1) { } else if 2 { @ = 1; } else { $x = 'a'; } while ($x < 0x1f) { $x++; --$x; continue; } unroll (3) { break; } }`,
	"struct a { int x[4]; struct { char *y; } z; } __attribute__((packed)) enum { One = 1, Two };\ntypedef struct a b;\nunion u { int i; };BEGIN { print(One + (uint8)Two); }",
	"#include <a.h>\nmacro m(a, @b) { $x = a; @b[$x]++ } macro n() { pid() } BEGIN { m(n, @c) }",
	`BEGIN { for ($i : 0..10) { @[$i] = $i; } for $j : $i.0..(1+2) { } let $k = 1_000; }`,
	`uprobe:t:f { $s = (struct foo *)arg0; @[$s->a.b, (uint64)$s->c[3], sizeof(struct foo), sizeof($s)] = count(); }`,
	`uprobe:t:f { $t = (1, "two", (3,)); print($t.1); print(($t.2).0); @m[$t] = (1).0; }`,
	`uprobe:t:f { @x = -1 - - 2; @y = !~1 & &args; @z = * (uint8 *) arg1; $p = (a_t)-1; $q = (@q)[1]; }`,
	`uprobe:t:f { pid == 1 ? print(1) : print($1 + $#); @x ^= 1; @x |= 2; @x &= 3; @x %= 4; @x <<= 5; @x >>= 6; @x *= 7; @x /= 8; @x -= 9 }`,
	`uprobe:t:f /args.size > 5ms || args->p == NULL/ { /* c */ @[args.size] = sum(retval); // end
	}`,
	`uprobe:t:f /*c*// *arg0 == 1 // x
	/ { print("\x01\"\\\n\té\377"); }`,
	`uprobe:/bin/x:github.com/a/b.(*T).M /pid/ { } uprobe:/bin/x:readline/pid == 1/ { } uprobe:x:f/pid/{}`,
	`uprobe:t:crab::main::{{closure}} { } uprobe:t:operator<< { } uprobe:t:std::operator<(int) { } uprobe:t:f[abi:cxx11](int) { }`,
	strings.Repeat(`uprobe:library:function, `, 9) + `END /1/ { @ = 1; }`,
	`uprobe:*:* { @[func, FLAG_A, 1 ? 2 : 3 ? 4 : 5, (1 ? 2 : 3) ? 4 : 5] = stats(18446744073709551615); }`,
}

func TestPrintedScriptParsesToTheSameTree(t *testing.T) {
	for _, text := range scripts {
		first, err := Parse(text)
		if err != nil {
			t.Errorf("%s\n%s", text, err.(*Diagnostic).Format("sonde"))
			continue
		}
		printed := first.String()
		second, err := Parse(printed)
		if err != nil {
			t.Errorf("%s\nprinted as\n%s\n%s", text, printed, err.(*Diagnostic).Format("sonde"))
			continue
		}
		if dump(first) != dump(second) {
			t.Errorf("%s\nprinted as\n%s\n%s", text, printed, dump(second))
		}
		if again := second.String(); again != printed {
			t.Errorf("printing is not stable:\n%s\n%s", printed, again)
		}
	}
}
