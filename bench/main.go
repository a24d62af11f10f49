// Bench measures sonde and its peers side by side, in one run, on one program: how fast the first event comes, what a
// counted, timed and traced call costs, how long attaching and detaching many functions takes, and what it takes in memory.
//
// In: bin/sonde, the peers that this machine has, and the newest bpftrace that peers.sh fetches into a cache folder. Out:
// medians and ratios as a table, and as markdown for docs/benchmarks.md. Invariant: a figure that could not be measured is
// a reason, not a number. It must not import sonde: it runs what a user runs.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// config is what the flags say.
type config struct {
	sonde    string
	cache    string
	runs     int
	tools    *regexp.Regexp
	measures *regexp.Regexp
	markdown string
	verbose  bool
}

func main() {
	var c config
	cache, _ := os.UserCacheDir()
	tools, measures := flag.String("tools", ".", "regexp of the tools to run"), flag.String("measures", ".", "regexp of the measures to take")
	flag.StringVar(&c.sonde, "sonde", "bin/sonde", "the built command")
	flag.StringVar(&c.cache, "cache", filepath.Join(cache, "sonde-bench"), "folder of the peers and the compiled programs")
	flag.IntVar(&c.runs, "runs", 5, "runs of each cheap measure; the median counts")
	flag.StringVar(&c.markdown, "md", "", "also write the table as markdown to this file")
	flag.BoolVar(&c.verbose, "v", false, "print every run")
	flag.Parse()
	c.tools, c.measures = regexp.MustCompile(*tools), regexp.MustCompile(*measures)
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root: the peers do")
	}
	victims, err := build(c.cache)
	if err != nil {
		return err
	}
	defer victims.database.down()
	var results []column
	for _, t := range tools(c) {
		if !c.tools.MatchString(t.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", t.name)
		results = append(results, take(c, t, victims))
	}
	report := newReport(machine(), results)
	fmt.Print(report.text())
	if c.markdown == "" {
		return nil
	}
	return os.WriteFile(c.markdown, []byte(report.markdown()), 0o644)
}

// machine is what the figures depend on.
func machine() string {
	kernel, _ := exec.Command("uname", "-sr").Output()
	model := ""
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	cores := strings.Count(string(cpuinfo), "processor\t")
	if _, rest, ok := strings.Cut(string(cpuinfo), "model name\t: "); ok {
		model, _, _ = strings.Cut(rest, "\n")
	}
	kind := ""
	if strings.Contains(string(cpuinfo), "hypervisor") {
		kind = ", virtual machine"
	}
	return fmt.Sprintf("%s, %d cores of %s%s", strings.TrimSpace(string(kernel)), cores, model, kind)
}
