package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// report is the table: a row per metric, a column per tool, and how the best peer compares.
type report struct {
	machine string
	heads   []string
	rows    [][]string
	notes   []string
}

func newReport(machine string, columns []column) report {
	r := report{machine: machine, heads: []string{"measure", "unit"}}
	for _, c := range columns {
		r.heads = append(r.heads, c.tool)
	}
	r.heads = append(r.heads, "best peer : sonde")
	seen := map[string]int{}
	for _, m := range measures() {
		for _, metric := range m.metrics {
			row, measured := []string{metric.name, metric.unit}, false
			for _, c := range columns {
				result, ok := c.results[metric.key()]
				measured = measured || ok
				row = append(row, r.cell(c.tool, metric, result, ok, seen))
			}
			if measured {
				r.rows = append(r.rows, append(row, ratio(metric, columns)))
			}
		}
	}
	return r
}

// cell writes a figure, or a mark that a note below the table explains.
func (r *report) cell(tool string, m metric, res result, taken bool, seen map[string]int) string {
	switch {
	case !taken:
		return ""
	case res.err == nil:
		return figure(res.value)
	}
	note := tool + ": " + strings.ReplaceAll(res.err.Error(), "\n", " ")
	if seen[note] == 0 {
		r.notes = append(r.notes, note)
		seen[note] = len(r.notes)
	}
	return fmt.Sprintf("- [%d]", seen[note])
}

func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return fmt.Sprintf("%.0f", v)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a == 0:
		return "0"
	}
	return fmt.Sprintf("%.2f", v)
}

// ratio compares the best peer with the first column, which is sonde: above 1 sonde is better.
func ratio(m metric, columns []column) string {
	if m.plain || len(columns) == 0 || !strings.HasPrefix(columns[0].tool, "sonde") {
		return ""
	}
	own, best := columns[0].results[m.key()], math.NaN()
	for _, c := range columns {
		res, ok := c.results[m.key()]
		if strings.HasPrefix(c.tool, "sonde") || !ok || res.err != nil {
			continue
		}
		if math.IsNaN(best) || m.higher && res.value > best || !m.higher && res.value < best {
			best = res.value
		}
	}
	if own.err != nil || own.value == 0 || best == 0 || math.IsNaN(best) {
		return ""
	}
	if m.higher {
		return fmt.Sprintf("%.2g", own.value/best)
	}
	return fmt.Sprintf("%.2g", best/own.value)
}

// remarks say what a figure means where the row's name cannot.
var remarks = []string{
	"Costs are what a call takes longer than unobserved. Counts and times are kept in the kernel by all but ltrace and \"sonde, inside\", which keeps them in the process. \"sonde, hybrid\" decides predicates in the process and keeps the rest in the kernel.",
	"Lines per second are those that arrived; the rows below say what did not. perf records into a file, and its lines are printed after the run, which is not in the figure.",
	"Statements are timed by sonde with their texts and digests, by bpftrace without, in one histogram.",
	"Memory is the tool's own, without the kernel's maps and buffers.",
}

func (r report) text() string {
	widths := make([]int, len(r.heads))
	all := append([][]string{r.heads}, r.rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.machine)
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			if i < 2 {
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%*s  ", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	b.WriteString("\n" + strings.Join(remarks, "\n") + "\n\n")
	for i, note := range r.notes {
		fmt.Fprintf(&b, "[%d] %s\n", i+1, note)
	}
	return b.String()
}

func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians on %s; `make bench` makes this table. The last column is the best peer's figure over sonde's (of rates sonde's over the peer's): above 1 sonde is better.\n\n", r.machine)
	b.WriteString("| " + strings.Join(r.heads, " | ") + " |\n|---|---|" + strings.Repeat("---:|", len(r.heads)-2) + "\n")
	for _, row := range r.rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	b.WriteString("\n" + strings.Join(remarks, " ") + "\n\n")
	for i, note := range r.notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, strings.ReplaceAll(note, "|", "\\|"))
	}
	return b.String()
}
