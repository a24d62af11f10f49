package user_test

import (
	"bufio"
	"encoding/binary"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// A call that a signal handler makes while a program of its thread runs is lost, or its return is missed; either way it is one call.
func TestCallsOfSignalHandlersAreInTheAccount(t *testing.T) {
	for name, text := range map[string]string{
		"entries":        `uprobe:PROGRAM:leaf { @[tid] = count(); }`,
		"returns":        `uretprobe:PROGRAM:leaf { @[tid] = count(); }`,
		"calls":          `uretprobe:PROGRAM:leaf { @[tid] = hist(duration); }`,
		"rejected calls": `uretprobe:PROGRAM:leaf /duration > 1000000000000 || tid == 0/ { @[tid] = hist(duration); }`,
	} {
		t.Run(name, func(t *testing.T) {
			program := fixture.Build(t, "engine/handled.c", "-DPATCHED", "-pthread")
			cmd := exec.Command(program)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			out := bufio.NewReader(pipe)
			if _, err := out.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			parsed, err := script.Parse(strings.ReplaceAll(text, "PROGRAM", program))
			if err != nil {
				t.Fatal(err)
			}
			pid := cmd.Process.Pid
			p, err := resolve.Resolve(parsed, resolve.Scope{PIDs: []int{pid}, Filter: plan.Filter{PIDs: []int{pid}}, Limits: plan.DefaultLimits(), Return: resolve.ReturnSites})
			if err != nil {
				t.Fatal(err)
			}
			s, err := user.Open(p)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if refused, err := s.Arm(); err != nil || len(refused) > 0 {
				t.Fatal(refused, err)
			}
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if err := s.Read(time.Time{}, func([]byte) {}); err != nil {
				t.Fatal(err)
			}
			s.Disarm()
			counts, err := s.Counts()
			if err != nil {
				t.Fatal(err)
			}
			calls, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			passed := uint64(0)
			at := p.Maps[0].Fields().Count
			err = s.Cells(0, func(_ []byte, values [][]byte) error {
				for _, v := range values {
					passed += binary.LittleEndian.Uint64(v[at:])
				}
				return nil
			})
			stats := counts.Stats()
			if err != nil || stats.Hits != calls || stats.Hits != passed+stats.Filtered+stats.Lost+stats.MissedReturns+stats.Unfinished {
				t.Errorf("the program made %d calls: %d hits, %d passed, %+v (%v)", calls, stats.Hits, passed, stats, err)
			}
			t.Logf("%d calls, %+v", calls, stats)
		})
	}
}
