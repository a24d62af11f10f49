package symbol

import (
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// The descriptors of restartable sequences say what the assembler's labels say, also where the dynamic linker has yet to write them.
func TestRestartableSequencesAreThoseOfTheProgram(t *testing.T) {
	for _, flags := range [][]string{{"-pie", "-fPIE"}, {"-no-pie", "-fno-pie"}, {"-pie", "-fPIE", "-Wl,-z,pack-relative-relocs"}, {"-s", "-no-pie"}} {
		f, err := Open(fixture.Build(t, "engine/restarts.c", flags...))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		found := f.Restartables()
		if len(found) != 1 {
			t.Fatalf("%v: %v", flags, found)
		}
		one := found[0]
		if one.Covers(one.From-1) || !one.Covers(one.From) || !one.Covers(one.To-1) || one.Covers(one.To) {
			t.Errorf("%v: %v covers something else", flags, one)
		}
		if f.Stripped() {
			continue
		}
		symbols, err := f.ELF().Symbols()
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]Addr{}
		for _, s := range symbols {
			at[s.Name] = Addr(s.Value)
		}
		if said := (Restartable{at["first"], at["after"], at["over"]}); one != said {
			t.Errorf("%v: %v, and the symbols say %v", flags, one, said)
		}
	}
}
