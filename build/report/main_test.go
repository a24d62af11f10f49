package main

import (
	"strings"
	"testing"
)

const run = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: boom\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: left out: needs root\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    b_test.go:9: refused: no multi links\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"q","Test":"TestD"}
`

func TestReportNamesWhatFailedAndWhatWasLeftOut(t *testing.T) {
	var out strings.Builder
	r := newReport(false)
	if err := r.read(strings.NewReader(run), &out); err != nil {
		t.Fatal(err)
	}
	if r.finish(&out) {
		t.Error("a failed test is not success")
	}
	for _, want := range []string{"boom", "1 passed, 1 failed, 2 left out", "left out: needs root:\n  p TestB\n", "failed: p TestA"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestOnCIOnlyRefusalsMayBeLeftOut(t *testing.T) {
	const pass = `{"Action":"pass","Package":"p"}` + "\n"
	for name, c := range map[string]struct {
		text   string
		strict bool
		ok     bool
	}{
		"nothing read":          {"", false, false},
		"all passed":            {pass, true, true},
		"left out":              {strings.Join(strings.Split(run, "\n")[2:4], "\n"), true, false},
		"left out, not on CI":   {strings.Join(strings.Split(run, "\n")[2:4], "\n"), false, true},
		"an engine's refusal":   {strings.Join(strings.Split(run, "\n")[4:6], "\n"), true, true},
		"does not build":        {`{"ImportPath":"p","Action":"build-fail"}`, false, false},
		"not JSON, then a pass": {"go: downloading\n" + pass, true, true},
	} {
		var out strings.Builder
		r := newReport(c.strict)
		if err := r.read(strings.NewReader(c.text), &out); err != nil {
			t.Fatal(err)
		}
		if got := r.finish(&out); got != c.ok {
			t.Errorf("%s: %v\n%s", name, got, out.String())
		}
	}
}
