package resolve

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Debug information says where parameters are; what the names and the code tell must not contradict it, where it is not marked as a guess.
func TestWhatNamesTellIsWhatDebugInformationSays(t *testing.T) {
	for _, flags := range [][]string{
		{"-std=c++17", "-O0"}, {"-std=c++17", "-O1"}, {"-std=c++17"}, {"-std=c++17", "-O0", "-fomit-frame-pointer"},
		{"CC=clang++", "-std=c++17", "-O0", "-fstandalone-debug"}, {"CC=clang++", "-std=c++17", "-O1", "-fstandalone-debug"}, {"CC=clang++", "-std=c++17", "-fstandalone-debug"},
		{"CC=clang++", "-std=c++17", "-stdlib=libc++", "-O0"},
	} {
		for _, source := range []string{"valuetable/cpp.cc", "valuetable/bare.cc"} {
			t.Run(fmt.Sprint(source, flags), func(t *testing.T) { compareWithDebug(t, fixture.Build(t, source, flags...)) })
		}
	}
}

func compareWithDebug(t *testing.T, path string) {
	file, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	obj := &object{file: file}
	functions := file.Functions()
	sure, right, wrong := 0, 0, 0
	for i := range functions {
		fn := &functions[i]
		debug, err := file.Signature(fn)
		if fn.Lang != event.LangCPP || err != nil || debug == nil {
			continue
		}
		told := demangled(match{obj: obj, fn: fn})
		if told == nil {
			continue
		}
		problem := differs(told, debug)
		switch {
		case told.Source == fromName && problem != "":
			t.Errorf("%s: %s", file.Display(fn), problem)
		case told.Source == fromName:
			sure++
		case problem == "":
			right++
		default:
			wrong++
			t.Logf("guessed wrong: %s: %s", file.Display(fn), problem)
		}
	}
	t.Logf("%d sure, %d guessed right, %d wrong", sure, right, wrong)
	if sure < 10 || wrong > right {
		t.Errorf("%d sure, %d guessed right, %d wrong", sure, right, wrong)
	}
}

// differs says which parameter is somewhere else than debug information has it, or is of another kind.
func differs(told, debug *ctype.Signature) string {
	for i := range debug.Params {
		debug.Params[i].Where = nil // what the optimiser moved is another matter
	}
	if len(told.Params) != len(debug.Params) {
		return fmt.Sprintf("%d parameters, not %d", len(told.Params), len(debug.Params))
	}
	places, want := ctype.Place(told), ctype.Place(debug)
	for i := range places.Params {
		if len(places.Params[i]) == 0 || len(want.Params[i]) == 0 || places.Params[i][0].Kind == ctype.Nowhere {
			continue
		}
		a, b := places.Params[i][0], want.Params[i][0]
		if a.Reg != b.Reg || a.Offset != b.Offset || len(places.Params[i]) != len(want.Params[i]) {
			return fmt.Sprintf("parameter %d is at %v, not at %v", i, places.Params[i], want.Params[i])
		}
	}
	return ""
}
