package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// perf needs a probe defined before it counts or records, and removed afterwards.
func perf() tool {
	recorded := func(j job) string { return filepath.Join(j.scratch, "perf.data") }
	return tool{name: "perf", missing: lookup("perf"),
		argv: func(j job) ([]string, error) {
			if j.kind == timing || j.kind == tracing || j.kind.ofSQL() {
				return nil, errors.New("does not pair entry and return")
			}
			if j.kind == rejecting || j.kind == passing {
				return nil, errNotOffered
			}
			argv := map[kind][]string{
				counting:  {"perf", "stat", "-e", "bench:hit"},
				each:      {"perf", "stat", "-e", "probe_*:fn_*"},
				together:  {"perf", "stat", "-e", "bench:hit"},
				firing:    {"perf", "trace", "--no-syscalls", "-e", "bench:hit"},
				printing:  {"perf", "record", "-q", "-e", "bench:hit", "-o", recorded(j)},
				recording: {"perf", "record", "-q", "-e", "bench:hit", "-o", recorded(j)},
			}[j.kind]
			if j.command != nil {
				return append(append(argv, "--"), j.command...), nil
			}
			return append(argv, "-a"), nil
		},
		marker:  func(job) string { return "bench:hit" },
		before:  perfDefine,
		after:   perfRemove,
		counted: func(j job) (int, int, error) { return perfCount(recorded(j)) }}
}

var perfLost = regexp.MustCompile(`PERF_RECORD_LOST(_SAMPLES)? lost (\d+)`)

// perfCount reads a recording line by line: it is long. Losses are told twice, as they happen and at the end.
func perfCount(file string) (seen, lost int, err error) {
	cmd := exec.Command("perf", "script", "--show-lost-events", "-i", file)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	told := map[string]int{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "bench:hit") {
			seen++
		} else if m := perfLost.FindStringSubmatch(lines.Text()); m != nil {
			n, _ := strconv.Atoi(m[2])
			told[m[1]] += n
		}
	}
	if err := cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("perf script: %s", strings.TrimSpace(complaints.String()))
	}
	return seen, max(told[""], told["_SAMPLES"]), nil
}

func perfDefine(j job) error {
	switch j.kind {
	case each:
		return perfProbe("-x", j.program, "--max-probes=20000", "--add", j.function)
	case printing:
		return perfProbe("-x", j.program, "--add", "bench:hit="+j.function+" number=%di:s32 statement=+0(%si):string")
	}
	if j.kind == recording {
		return perfProbe("-x", j.program, "--add", "bench:hit="+j.function+" a=%di:s32 b=%si:s64 c=%dx:s32 text=+0(%cx):string")
	}
	return perfProbe("-x", j.program, "--max-probes=20000", "--add", "bench:hit="+j.function)
}

func perfRemove(j job) error {
	if j.kind == each {
		return perfProbe("-d", "probe_*:fn_*")
	}
	return perfProbe("-d", "bench:*")
}

func perfProbe(args ...string) error {
	out, err := exec.Command("perf", append([]string{"probe", "-q"}, args...)...).CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("perf probe: %s", lines[len(lines)-1])
	}
	return nil
}
