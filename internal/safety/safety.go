// Package safety runs programs alone and observed, and says how the two differ.
//
// In: a program and what is probed in it. Out: what it printed, how it ended, what sonde counted, and the differences. Its
// one rule is the first promise: the observed program behaves as if unobserved. It must not know how sonde works inside: it
// runs the command.
package safety

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Outcome is what a program shows of itself.
type Outcome struct {
	Stdout string
	Stderr string
	Status int // as a shell gives it: 128 + signal
	Hung   bool
}

// Run runs a command to its end, at most for the given time.
func Run(argv []string, limit time.Duration, env ...string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	out := Outcome{Stdout: stdout.String(), Stderr: stderr.String(), Hung: ctx.Err() != nil}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !out.Hung && !errors.Is(err, exec.ErrWaitDelay) {
		return out, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	out.Status = ws.ExitStatus()
	if ws.Signaled() {
		out.Status = 128 + int(ws.Signal())
	}
	return out, nil
}

// Observation is one run of a program under sonde.
type Observation struct {
	Outcome                   // of the program
	Sonde   int               // sonde's own status
	Counts  map[string]uint64 // calls by function: of count all, of trace and time those whose end was seen
	Stats   Stats
}

// Stats is the last line of sonde's results.
type Stats struct {
	Hits       uint64            `json:"hits"`
	Lost       uint64            `json:"lost"`
	Missed     uint64            `json:"missed_returns"`
	MissedBy   map[string]uint64 `json:"missed_by"`
	Unfinished uint64            `json:"unfinished"`
}

// Sonde is the command under test.
type Sonde struct {
	Path   string
	Dir    string // for results
	Limit  time.Duration
	Engine string // "": the one that sonde takes
}

var ended = regexp.MustCompile(`(?m)^sonde: .* ended with status (\d+)$`)

// Observe runs a command under a verb with the given probes and flags.
func (s Sonde) Observe(verb string, probes, argv []string) (Observation, error) {
	results, err := os.CreateTemp(s.Dir, verb+"-*.json")
	if err != nil {
		return Observation{}, err
	}
	results.Close()
	defer os.Remove(results.Name())
	line := []string{s.Path, verb, "-o", results.Name()}
	if s.Engine != "" {
		line = append(line, "--engine", s.Engine)
	}
	line = append(line, probes...)
	out, err := Run(append(append(line, "--"), argv...), s.Limit)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Outcome: out, Sonde: out.Status}
	o.Status = 0
	if m := ended.FindStringSubmatch(out.Stderr); m != nil {
		o.Status, _ = strconv.Atoi(m[1])
	}
	return o, o.read(results.Name())
}

// line is a result in any of the forms that count calls.
type line struct {
	Type     string
	Function string
	Count    uint64
	Stats
}

func (o *Observation) read(name string) error {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer f.Close()
	o.Counts = map[string]uint64{}
	in := json.NewDecoder(f)
	for {
		var l line
		switch err := in.Decode(&l); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("results: %w", err)
		}
		switch l.Type {
		case "count", "latency":
			o.Counts[l.Function] += l.Count
		case "call":
			o.Counts[l.Function]++
		case "stats":
			o.Stats = l.Stats
		}
	}
}

// Calls are the counts that a program prints of itself: lines "calls FUNCTION N".
func Calls(stdout string) map[string]uint64 {
	own := map[string]uint64{}
	for _, text := range strings.Split(stdout, "\n") {
		rest, ok := strings.CutPrefix(text, "calls ")
		at := strings.LastIndexByte(rest, ' ')
		if n, err := strconv.ParseUint(rest[at+1:], 10, 64); ok && at > 0 && err == nil {
			own[rest[:at]] = n
		}
	}
	return own
}

// Differences says how an observed run differs from the same program alone, nil if it does not.
func Differences(alone Outcome, seen Observation) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case seen.Hung:
		say("hangs")
	case seen.Status != alone.Status:
		say("ends with status %d, alone with %d", seen.Status, alone.Status)
	}
	if seen.Stdout != alone.Stdout {
		say("prints %q, alone %q", tail(seen.Stdout), tail(alone.Stdout))
	}
	if seen.Sonde != 0 && !seen.Hung {
		say("sonde ends with status %d", seen.Sonde)
	}
	return out
}

// Miscounts says where what sonde counted disagrees with the program's own counts. A call may be missing only if it was counted as lost, under verbs that
// need the end of a call (ends) also as missed or unfinished.
func Miscounts(own map[string]uint64, seen Observation, ends bool) []string {
	var out []string
	excused, what := seen.Stats.Lost, "calls"
	if ends {
		excused, what = excused+seen.Stats.Missed+seen.Stats.Unfinished, "ends"
	}
	var missing uint64
	for name, n := range own {
		switch got := seen.Counts[name]; {
		case got > n:
			out = append(out, fmt.Sprintf("%d calls of %s, the program made %d", got, name, n))
		case got < n:
			missing += n - got
			if missing > excused {
				out = append(out, fmt.Sprintf("%d calls of %s, the program made %d; only %d %s are counted as not seen", got, name, n, excused, what))
			}
		}
	}
	return out
}

func tail(s string) string {
	if len(s) > 300 {
		return "..." + s[len(s)-300:]
	}
	return s
}
