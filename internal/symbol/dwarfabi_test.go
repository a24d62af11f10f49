package symbol

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// TestValuesAreWhereSignaturesPutThem compiles functions of all shapes with every compiler at hand, stops at their
// entries and behind their calls, and compares what lies at the places that the signature names with what was passed.
func TestValuesAreWhereSignaturesPutThem(t *testing.T) {
	for _, c := range []struct {
		source string
		flags  []string
		least  int // values compared
	}{
		{"abi/abi.c", []string{"-no-pie", "-w"}, 130},
		{"abi/abi.c", []string{"-no-pie", "-w", "-O0", "-gdwarf-4"}, 120},
		{"abi/abi.c", []string{"CC=clang", "-no-pie", "-w", "-g", "-O2"}, 120},
		{"abi/abi.c", []string{"CC=clang", "-no-pie", "-w", "-g", "-O0", "-gdwarf-4"}, 120},
		{"abi/abi.cc", []string{"-no-pie", "-w"}, 40},
		{"abi/abi.cc", []string{"-no-pie", "-w", "-O0", "-gdwarf-4"}, 40},
		{"abi/abi.cc", []string{"CC=clang++", "-no-pie", "-w", "-g", "-O2"}, 40},
		{"abi/abi.cc", []string{"CC=clang++", "-no-pie", "-w", "-g", "-O0", "-gdwarf-4", "-fstandalone-debug"}, 40},
		{"abi/abi.rs", []string{"-C", "relocation-model=static", "-C", "link-arg=-no-pie"}, 60},
		{"abi/abi.rs", []string{"-C", "opt-level=0", "-C", "relocation-model=static", "-C", "link-arg=-no-pie"}, 60},
		{"abi/goabi", nil, 40},
		{"abi/goabi", []string{"-gcflags=-N -l"}, 40},
		{"abi/goabi", []string{"-tags=nodwarf5"}, 40}, // the tag names another build; GOEXPERIMENT makes it one
	} {
		t.Run(strings.Join(append([]string{c.source}, c.flags...), " "), func(t *testing.T) {
			if c.source == "abi/goabi" && len(c.flags) > 0 && c.flags[0] == "-tags=nodwarf5" {
				t.Setenv("GOEXPERIMENT", "nodwarf5")
			}
			program := fixture.Build(t, c.source, c.flags...)
			f, err := Open(program)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if n := compareCalls(t, f, program); n < c.least {
				t.Errorf("%d values compared, want %d", n, c.least)
			}
		})
	}
}

// compareCalls reports how many values it compared.
func compareCalls(t *testing.T, f *File, program string) int {
	plan, signatures := observable(t, f)
	calls := record(t, program, plan)
	compared := 0
	for name, sig := range signatures {
		call, ok := calls[name]
		if strings.HasPrefix(name, "wide_split") && strings.Contains(t.Name(), "clang") {
			continue // LLVM before 20 cuts an __int128 between the last register and the stack
		}
		if !ok {
			t.Errorf("%s was not called", name)
			continue
		}
		p := ctype.Place(sig)
		entry := call.Entry.word(ctype.RSP)
		for i, param := range sig.Params {
			compared += compareValue(t, name, fmt.Sprint("_", i), param.Type, p.Params[i], call, call.Entry, entry)
		}
		if p.Hidden {
			call.Return.Registers["rax"] = call.Entry.Registers["rdi"]
		}
		for i, result := range sig.Results {
			compared += compareValue(t, name, []string{"_r", "_s"}[i], result.Type, p.Results[i], call, call.Return, entry)
		}
	}
	return compared
}

func compareValue(t *testing.T, function, suffix string, typ *ctype.Type, pieces []ctype.Piece, c call, at moment, entry uint64) int {
	name := function[strings.LastIndexAny(function, ".:")+1:] + suffix
	passed, ok := c.Globals[name]
	size := typ.Sizeof()
	if !ok || size <= 0 || len(pieces) > 0 && pieces[0].Kind == ctype.InX87 {
		return 0
	}
	want := unhex(passed)[:size]
	got, ok := at.collect(pieces, size, entry)
	if !ok {
		t.Errorf("%s: %s (%s) cannot be read at %v", function, name, typ, pieces)
		return 0
	}
	mask := make([]byte, size)
	meaningful(typ, 0, mask)
	for i := range want {
		if (want[i]^got[i])&mask[i] != 0 {
			t.Errorf("%s: %s (%s) at %v is %x, want %x", function, name, typ, pieces, got, want)
			return 0
		}
	}
	return 1
}

// observable finds the functions of a fixture that have globals named after them.
func observable(t *testing.T, f *File) (map[string]observed, map[string]*ctype.Signature) {
	plan, signatures := map[string]observed{}, map[string]*ctype.Signature{}
	fns := f.Functions()
	for i := range fns {
		fn := &fns[i]
		full := f.Demangled(fn)
		last := full[strings.LastIndexAny(full, ".:")+1:]
		scope := ""
		if strings.HasPrefix(full, "main.") {
			scope = "main."
		}
		last = strings.TrimSuffix(last, "[go")
		if i := strings.IndexByte(full, '['); i > 0 && scope != "" {
			last = full[strings.LastIndexByte(full[:i], '.')+1 : i]
			if j := strings.LastIndexByte(full, '.'); j > i {
				last = full[j+1:]
			}
		}
		globals := map[string][2]any{}
		for j := range 12 {
			suffix := fmt.Sprint("_", j)
			if j > 9 {
				suffix = []string{"_r", "_s"}[j-10]
			}
			if addr, ok := f.objectAddr(scope + last + suffix); ok {
				globals[last+suffix] = [2]any{addr.String(), 256}
			}
		}
		if _, ok := globals[last+"_r"]; !ok {
			continue
		}
		sig, err := f.Signature(fn)
		if err != nil || sig == nil {
			t.Errorf("%s: no signature: %v", full, err)
			continue
		}
		key := full
		if scope != "" {
			key = scope + last
		}
		plan[key] = observed{Address: fn.Addr.String(), Globals: globals}
		signatures[key] = sig
	}
	return plan, signatures
}
