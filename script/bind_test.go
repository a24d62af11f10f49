package script

import "testing"

func TestParametersNameTargetsAndFunctions(t *testing.T) {
	params := []string{"/opt/my app", "str*", "/^mem/", "0x10", "f+4", ""}
	for _, c := range []struct{ text, want string }{
		{"uprobe:$1:$2 { print($1); }", `uprobe:"/opt/my app":str* { print($1); }`},
		{"uretprobe:libc:$3, uprobe:libc:malloc { }", "uretprobe:libc:/^mem/, uprobe:libc:malloc { }"},
		{"uprobe:$1:$4 { }", `uprobe:"/opt/my app":0x10 { }`},
		{"uprobe:t:$5 { }", "uprobe:t:f+0x4 { }"},
		{"usdt:t:$2:$5 { }", "usdt:t:str*:f+4 { }"},
		{"uprobe:t:$7 { }", "[bad-probe] uprobe:t:$7"},
		{"uprobe:t:$6 { }", "[bad-probe] uprobe:t:$6"},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := s.Bind(params)
		got := ""
		if d, ok := err.(*Diagnostic); ok {
			got = "[" + string(d.Code) + "] " + d.Text[d.Span.From:d.Span.To]
		} else {
			got = bound.Probes[0].String()
		}
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
		}
		if again, _ := Parse(c.text); dump(again) != dump(s) {
			t.Errorf("%s: binding changed the script", c.text)
		}
	}
}
