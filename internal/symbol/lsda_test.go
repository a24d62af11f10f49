package symbol

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestLandingPadsLieInTheirFunction(t *testing.T) {
	file, err := Open(fixture.Build(t, "safety/cc/exceptions.cc"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pads := 0
	for i := range file.Functions() {
		fn := &file.Functions()[i]
		code, err := file.Code(fn)
		if err != nil {
			continue
		}
		for _, pad := range file.Landings(fn.Addr) {
			pads++
			in, _, ok := file.At(pad)
			if (pad <= fn.Addr || pad >= fn.Addr+Addr(len(code))) && !(ok && strings.Contains(in.Name, ".cold")) {
				t.Errorf("a landing pad of %s at %v", fn.Name, pad)
			}
		}
	}
	if pads == 0 {
		t.Error("a program that catches has no landing pads")
	}
}
