package symbol

import (
	"slices"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestUnwindsIsTrueWhereExceptionsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name, path string
		want       bool
	}{
		{"c", cProgram(t), false},
		{"c, static", cProgram(t, "-static"), false}, // glibc's own cleanups
		{"c, static, stripped", cProgram(t, "-static", "-s"), false},
		{"c++", fixture.Build(t, "cc/symbols.cc"), true},
		{"c++, stripped", fixture.Build(t, "cc/symbols.cc", "-s"), true},
		{"c++, static, stripped", fixture.Build(t, "cc/symbols.cc", "-static", "-s"), true},
		{"rust", fixture.Build(t, "rust/symbols.rs"), true},
		{"rust, stripped", fixture.Build(t, "rust/symbols.rs", "-Cstrip=symbols"), true},
		{"go", fixture.Build(t, "go/symbols"), false},
	} {
		f := open(t, c.path)
		if got := f.Unwinds(); got != c.want {
			t.Errorf("%s: %v, by %q", c.name, got, f.Personalities())
		}
	}
	if names := open(t, fixture.Build(t, "cc/symbols.cc")).Personalities(); !slices.Contains(names, "__gxx_personality_v0") {
		t.Errorf("c++ has %q", names)
	}
}

func TestFramesCoverTheFunctions(t *testing.T) {
	for _, path := range []string{cProgram(t), fixture.Build(t, "cc/symbols.cc"), fixture.Build(t, "rust/symbols.rs")} {
		f := open(t, path)
		covered := 0
		for i := range f.Functions() {
			fn := &f.functions[i]
			if frame, ok := f.frameAt(fn.Addr); ok && frame.from == uint64(fn.Addr) && frame.to-frame.from == fn.Size {
				covered++
			}
		}
		if all := len(f.Functions()); covered*2 < all {
			t.Errorf("%s: .eh_frame agrees on %d of %d functions", path, covered, all)
		}
	}
}
