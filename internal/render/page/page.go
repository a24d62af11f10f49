// Package page writes what was observed of SQL statements as one HTML file that needs nothing else: no network, no other file.
//
// In: events of a run, its statistics at the end. Out: a page with the table of statements, to be sorted and filtered in a browser, and
// charts. Invariant: statements are hostile input, and the page runs no script and fetches nothing but what this package wrote; its own policy
// (Content-Security-Policy) forbids browsers anything else. It must not know engines, nor compute what package agg can.
package page

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/render"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// Options are what the events do not tell.
type Options struct {
	Ended time.Time      // of the run, zero: when End is called
	Zone  *time.Location // nil: this machine's
	Top   int            // statements with a row of their own, 0: 200
}

// Page is a stream whose bytes are written at its end.
type Page struct {
	to           io.Writer
	o            Options
	queries      []*event.Query
	transactions []*event.Transaction
}

// New makes a page.
func New(to io.Writer, o Options) *Page {
	if o.Top == 0 {
		o.Top = 200
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	return &Page{to: to, o: o}
}

// Event takes queries and transactions; single statements are in the page as the slowest of their digest.
func (p *Page) Event(e event.Event) error {
	switch e := e.(type) {
	case *event.Query:
		p.queries = append(p.queries, e)
	case *event.Transaction:
		p.transactions = append(p.transactions, e)
	}
	return nil
}

// Flush has nothing to write out before the end.
func (p *Page) Flush() error { return nil }

// End writes the page.
func (p *Page) End(s event.Stats) error {
	text, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(p.to)
	if err := text.Execute(w, p.content(s)); err != nil {
		return err
	}
	return w.Flush()
}

// content is what the template shows.
type content struct {
	Policy       string
	Style        template.CSS
	Script       template.JS
	When         string
	Figures      []figure
	Losses       []string
	Transactions []string
	Over         overTime
	Most         []share
	Columns      []column
	Rows         []row
}

type figure struct{ Name, Value string }

func (p *Page) content(s event.Stats) content {
	queries := fold(p.queries, p.o.Top)
	ended := p.o.Ended
	if ended.IsZero() {
		ended = time.Now()
	}
	c := content{Style: template.CSS(style), Script: template.JS(script),
		Policy: "default-src 'none'; style-src " + digest(style) + "; script-src " + digest(script) + "; base-uri 'none'; form-action 'none'",
		When:   ended.Add(-s.Elapsed).In(p.o.Zone).Format("2 Jan 2006 15:04:05") + ", " + render.Duration(s.Elapsed),
		Losses: render.Losses(s), Figures: figures(queries, s), Over: p.overTime(queries), Most: shares(queries), Columns: columns()}
	for _, t := range p.transactions {
		c.Transactions = append(c.Transactions, render.Transactions(t))
	}
	for i, q := range queries {
		c.Rows = append(c.Rows, p.row(i, q))
	}
	return c
}

// digest names a text in a policy.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func figures(queries []*event.Query, s event.Stats) []figure {
	var digests, calls, errors uint64
	var sum time.Duration
	for _, q := range queries {
		digests += max(q.Others, 1)
		calls, errors, sum = calls+q.Count, errors+q.Errors, sum+time.Duration(q.Latency.Sum)
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []figure{{"statements", number(digests)}, {"calls", number(calls)}, {"errors", number(errors)}, {"time in statements", render.Duration(sum)},
		{"probe hits", number(s.Hits)}, {"events lost", number(s.Lost)}, {"added by observing, about", render.Duration(s.Cost)}}
}

// fold leaves rows for the statements that took the most time and counts all others in one more.
func fold(queries []*event.Query, top int) []*event.Query {
	queries = slices.Clone(queries)
	slices.SortStableFunc(queries, func(a, b *event.Query) int {
		return cmp.Or(cmp.Compare(a.Others, b.Others), cmp.Compare(b.Latency.Sum, a.Latency.Sum))
	})
	if len(queries) <= top {
		return queries
	}
	rest := &event.Query{}
	for _, q := range queries[top:] {
		rest.Others += max(q.Others, 1)
		rest.Count += q.Count
		rest.Errors += q.Errors
		rest.Rows = addRows(rest.Rows, q.Rows)
		rest.Latency.Sum += q.Latency.Sum
		rest.Latency.Max = max(rest.Latency.Max, q.Latency.Max)
		rest.Timeline = together(rest.Timeline, q.Timeline)
	}
	return append(queries[:top:top], rest)
}

func addRows(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// together adds up two timelines of one readout.
func together(a, b event.Timeline) event.Timeline {
	if len(a.Steps) < len(b.Steps) {
		a, b = b, a
	}
	sum := event.Timeline{Start: a.Start, Step: a.Step, Steps: slices.Clone(a.Steps)}
	for i, s := range b.Steps {
		to := &sum.Steps[i]
		to.Count, to.Errors, to.Sum, to.Max = to.Count+s.Count, to.Errors+s.Errors, to.Sum+s.Sum, max(to.Max, s.Max)
	}
	return sum
}

// cut keeps a name on one line.
func cut(text string, width int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
