package script

import (
	"fmt"
	"strings"
	"testing"
)

// TestMacrosStandForTheirBodies: what a macro makes is what its user would have written, with variables of its own.
func TestMacrosStandForTheirBodies(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`macro one() { 1 } macro add_one(x) { x + one } BEGIN { print(add_one(2) * one()); }`, `print((2 + 1) * 1);`},
		{`macro bump($a, @b, c) { $a += c; @b += c; @b[c] = $a; } BEGIN { bump($x, @y, pid) }`, `$x += pid; @y += pid; @y[pid] = $x;`},
		{`macro show(start, name) { $ms = (nsecs - start) / 1e6; printf("%d %s\n", $ms, name); } BEGIN { $ms = 1; show(@s[tid], str(arg0)); show(1, "a"); }`,
			`$ms = 1; $__show1_ms = (nsecs - @s[tid]) / 1e6; printf("%d %s\n", $__show1_ms, str(arg0)); ` +
				`$__show2_ms = (nsecs - 1) / 1e6; printf("%d %s\n", $__show2_ms, "a");`},
		{`macro twice(x) { x; x } macro hi() { printf("hi") } BEGIN { if (1) { twice(hi) } }`, `if (1) { printf("hi"); printf("hi"); }`},
		{`macro each(n, @m) { for ($i : 0..n) { @m[$i]++; if $i > 2 { break; } else { unroll (2) { @m++; } } } } BEGIN { each(3, @) }`,
			`for ($__each1_i : 0..3) { @[$__each1_i]++; if ($__each1_i > 2) { break; } else { unroll (2) { @++; } } }`},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got := strings.Join(strings.Fields(s.String()), " ")
		if want := "BEGIN { " + c.want + " }"; got != want {
			t.Errorf("%s\ngives %s\nnot   %s", c.text, got, want)
		}
	}
}

// TestMacrosCannotGrowWithoutBound: a text of a few lines does not make a tree of millions of nodes, nor one deeper than a text may be.
func TestMacrosCannotGrowWithoutBound(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("macro m0(x) { x + x }\n")
	for i := range 30 {
		fmt.Fprintf(&doubling, "macro m%d(x) { m%d(x) + m%d(x) }\n", i+1, i, i)
	}
	doubling.WriteString("BEGIN { print(m30(1)); }")
	nested := "macro n(x) { -(x + 1) }\nBEGIN { print(" + strings.Repeat("n(", 60) + "1" + strings.Repeat(")", 60) + "); }"
	for text, code := range map[string]Code{doubling.String(): TooLong, nested: TooDeep} {
		_, err := Parse(text)
		if d, ok := err.(*Diagnostic); !ok || d.Code != code {
			t.Errorf("%.60s...: %v, not %s", text, err, code)
		}
	}
}
