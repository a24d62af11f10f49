package valuetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAScriptReadsWhatATraceShows(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	for _, test := range []struct {
		name, source string
		flags        []string
		script       string // %[1]s is the program
		want         string
	}{
		{
			"text of a known size ends at a NUL", "valuetable/c.c", []string{"-O0"},
			`uprobe:libc:write /arg2 == 5/ { printf("%%s", str(arg1, arg2)) }`, "ab",
		},
		{
			"text of a known size has nothing behind its NUL in a key", "valuetable/c.c", []string{"-O0"},
			`uprobe:libc:write /arg2 == 5/ { $s = str(arg1, arg2); if ($s == "ab") { printf("%%s", $s) } }`, "ab",
		},
		{
			"saved text of a known size has nothing behind its NUL", "valuetable/c.c", []string{"-O0"},
			`uretprobe:libc:write /args.count == 5/ { @s = str(args.buf, args.count); if (@s == "ab") { printf("%%s", @s) } }`, "ab",
		},
		{
			"parameters that a mangled name tells", "valuetable/bare.cc", []string{"-std=c++17", "-g0"},
			`uprobe:%[1]s:shop::Store::put /args.arg2 == 5/ { printf("%%d %%s", args.arg2, str(args.arg3)) }`, "5 note",
		},
		{
			"a result in memory is where the caller wants it", "valuetable/rust.rs", nil,
			`uretprobe:%[1]s:rust::in_memory { printf("%%d %%d", retval.a, retval.c) }`, "7 9",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			program := fixture.Build(t, test.source, test.flags...)
			target, err := sonde.Open(sonde.File(program), sonde.Command(program))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := target.Run(t.Context(), fmt.Sprintf(test.script+"//%[1]s", program))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for e := range session.Events() {
				if p, ok := e.(*event.Print); ok {
					got += p.Text()
				}
			}
			if err := session.Err(); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestAStackAsAKeyHasTheDirectCaller(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "valuetable/c.c", "-O0")
	target, err := sonde.Open(sonde.File(program), sonde.Command(program))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Run(t.Context(), fmt.Sprintf("uprobe:%s:small { @[ustack(2)] = count(); }", program))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		t.Fatal(err)
	}
	snapshot, err := session.Snapshot()
	if err != nil || len(snapshot.Maps) != 1 || len(snapshot.Maps[0].Entries) != 1 {
		t.Fatalf("%v, %+v", err, snapshot)
	}
	frames := snapshot.Maps[0].Entries[0].Key[0].Frames
	if len(frames) != 2 || frames[0].Function != "small" || frames[1].Function != "main" {
		t.Errorf("got %+v", frames)
	}
}

func TestAStackThatIsPrintedHasTheDirectCaller(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "valuetable/c.c", "-O0")
	target, err := sonde.Open(sonde.File(program), sonde.Command(program))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for _, frames := range []int{1, 2, 3} {
		session, err := target.Run(t.Context(), fmt.Sprintf(`uprobe:%s:small { printf("%%s", ustack(%d)); }`, program, frames))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for e := range session.Events() {
			if p, ok := e.(*event.Print); ok {
				lines = append(lines, strings.Fields(p.Text())...)
			}
		}
		want := []string{"small+", "main+", "__libc_start"}[:frames]
		if err := session.Err(); err != nil || len(lines) != frames {
			t.Fatalf("%v, got %q, want %d frames", err, lines, frames)
		}
		for i := range want {
			if !strings.Contains(lines[i], strings.TrimSuffix(want[i], "+")) {
				t.Errorf("frame %d is %s, want %s", i, lines[i], want[i])
			}
		}
	}
}
