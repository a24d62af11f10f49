package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// observeUnread has sonde write into a pipe that nobody reads, and waits until that is full.
func observeUnread(t *testing.T, verb string, flags ...string) (o *sondeRun, unread *os.File) {
	t.Helper()
	unread, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unread.Close() })
	if _, err := unix.FcntlInt(out.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	o = observeWork(t, out, nil, verb, flags...)
	out.Close()
	o.until("an output that is stuck", func() bool {
		stuck := o.writes()
		time.Sleep(300 * time.Millisecond)
		return stuck && o.writes()
	})
	return o, unread
}

// writes reports whether one of its threads is in the midst of a write to standard output.
func (o *sondeRun) writes() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", o.Process.Pid))
	return slices.ContainsFunc(threads, func(path string) bool {
		text, _ := os.ReadFile(path)
		return strings.HasPrefix(string(text), fmt.Sprintf("%d %#x ", unix.SYS_WRITE, unix.Stdout))
	})
}

// touched says what of a program's code is otherwise in a process than in its file, and what of sonde's the process maps; "" nothing.
func touched(pid int) string {
	read := func(name string) []byte { text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)); return text }
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	file, memory := read("exe"), fmt.Sprintf("/proc/%d/mem", pid)
	mem, err := os.Open(memory)
	if err != nil {
		return err.Error()
	}
	defer mem.Close()
	for line := range strings.Lines(string(read("maps"))) {
		var from, to, offset uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x", &from, &to, &rights, &offset); err != nil {
			return err.Error()
		}
		if strings.Contains(line, "memfd:sonde") {
			return line
		}
		if rights != "r-xp" || !strings.Contains(line, exe) {
			continue
		}
		now := make([]byte, to-from)
		if _, err := mem.ReadAt(now, int64(from)); err != nil {
			return err.Error()
		}
		then := file[offset:]
		for i := range min(len(now), len(then)) {
			if now[i] != then[i] {
				return fmt.Sprintf("byte %#x of %s is %#x, was %#x", offset+uint64(i), exe, now[i], then[i])
			}
		}
	}
	return ""
}

// The observed program stayed patched until somebody read on: `sonde trace ... | less`, and Ctrl-C.
func TestProbesComeOffAtTheFirstCtrlCThoughNobodyReads(t *testing.T) {
	fixture.NeedRoot(t)
	ways := map[string]func(o *sondeRun){
		"SIGINT":  func(o *sondeRun) { _ = o.Process.Signal(unix.SIGINT) },
		"SIGTERM": func(o *sondeRun) { _ = o.Process.Signal(unix.SIGTERM) },
		"time":    func(*sondeRun) {}, // that is up
	}
	for _, engine := range []string{"kernel", "user", "user,kernel", "hybrid", "tracefs"} {
		for way, end := range ways {
			if way != "SIGINT" && engine != "kernel" && engine != "user" {
				continue
			}
			t.Run(engine+"/"+way, func(t *testing.T) {
				flags := []string{"--engine=" + engine, "-o", "json"}
				if way == "time" {
					flags = append(flags, "-d", "5s")
				}
				o, unread := observeUnread(t, "trace", flags...)
				pid := o.work.Process.Pid
				if way != "time" && touched(pid) == "" {
					t.Fatal("nothing is patched")
				}
				end(o)
				o.until("the program as it was", func() bool { return touched(pid) == "" })
				select {
				case err := <-o.ended:
					t.Fatalf("it has ended, and not waited for its reader: %v, %q", err, o.stderr())
				default:
				}
				text, err := io.ReadAll(unread)
				if err != nil {
					t.Fatal(err)
				}
				if err := <-o.ended; err != nil {
					t.Errorf("%v, %q", err, o.stderr())
				}
				accounted(t, text)
			})
		}
	}
}

// accounted expects a stream of calls in JSON to be whole: as many ended and unfinished ones as its last line says, which says of each hit what became of it.
func accounted(t *testing.T, text []byte) {
	t.Helper()
	var last struct {
		Type                       string
		Hits, Events, Lost, Missed uint64
		Unfinished                 uint64
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Type != "stats" {
		t.Fatalf("%v: the last line is %s", err, lines[len(lines)-1])
	}
	calls := uint64(bytes.Count(text, []byte(`"type":"call"`)))
	unfinished := uint64(bytes.Count(text, []byte(`"outcome":"unfinished"`)))
	if calls == 0 || calls-unfinished != last.Events || unfinished != last.Unfinished || calls != uint64(len(lines)-1) || last.Hits < calls || last.Hits > calls+last.Lost {
		t.Errorf("%d calls, %d of them unfinished, in %d lines: %+v", calls, unfinished, len(lines), last)
	}
}

// The second Ctrl-C says what the first began, and the third ends at once, with nothing left in the program.
func TestTheThirdCtrlCLeavesNothingBehind(t *testing.T) {
	fixture.NeedRoot(t)
	for _, engine := range []string{"kernel", "user", "hybrid"} {
		t.Run(engine, func(t *testing.T) {
			o, _ := observeUnread(t, "trace", "--engine="+engine)
			o.asks(unix.SIGINT)
			o.asks(unix.SIGINT)
			o.until("what the second one means", func() bool { return strings.Contains(o.stderr(), "once more ends at once") })
			o.until("the program as it was", func() bool { return touched(o.work.Process.Pid) == "" })
			o.asks(unix.SIGINT)
			<-o.ended
			if got := o.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != unix.SIGINT {
				t.Errorf("the third one: %v", o.ProcessState)
			}
			if what := touched(o.work.Process.Pid); what != "" {
				t.Error(what)
			}
		})
	}
}
