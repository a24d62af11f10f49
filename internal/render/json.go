package render

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// jsonLines writes one JSON object a line; the names of members never change once released. Numbers go through
// event.Value, which writes what JSON readers would round as strings.
type jsonLines struct {
	w   *bufio.Writer
	enc *json.Encoder
	o   Options
	buf []byte
}

func newJSON(w io.Writer, o Options) *jsonLines {
	j := &jsonLines{w: bufio.NewWriterSize(w, 64<<10), o: o}
	j.enc = json.NewEncoder(j.w)
	j.enc.SetEscapeHTML(false)
	return j
}

func (j *jsonLines) Event(e event.Event) error {
	switch e := e.(type) {
	case *event.Call:
		j.buf = append(e.AppendJSON(j.buf[:0]), '\n')
		_, err := j.w.Write(j.buf)
		return err
	case *event.MapPrint:
		return j.showMap(e)
	case *event.Exit:
		return nil // stats say that the stream ended
	}
	return j.enc.Encode(e)
}

func (j *jsonLines) Flush() error { return j.w.Flush() }

func (j *jsonLines) End(s event.Stats) error {
	if err := j.enc.Encode(newStats(s)); err != nil {
		return err
	}
	return j.w.Flush()
}

func (j *jsonLines) showMap(p *event.MapPrint) error {
	if j.o.Script || !IsTable(p.Map.Kind) {
		return j.enc.Encode(newMap(p))
	}
	top := j.o.Top
	if p.Top > 0 {
		top = p.Top
	}
	for _, row := range agg.Top(agg.Rows(p.Map), j.o.Order, top) {
		if err := j.enc.Encode(newRow(p.Map.Kind, row)); err != nil {
			return err
		}
	}
	return nil
}

// keys is an object of the named parts of a key, in their order.
type keys []agg.Part

// MarshalJSON gives {"comm":"ls","size":3}.
func (k keys) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, part := range k {
		if i > 0 {
			b = append(b, ',')
		}
		name := event.String(strings.ToValidUTF8(part.Name, "\uFFFD")) // a member's name is text
		b = append(name.AppendJSON(b), ':')
		b = part.Value.AppendJSON(b)
	}
	return append(b, '}'), nil
}

type jsonBucket struct {
	AtMost event.Value `json:"le_ns"`
	Count  event.Value `json:"count"`
}

// jsonCount is a row of `sonde count`; jsonLatency of `sonde time`.
type jsonCount struct {
	Type     string      `json:"type"`
	Target   string      `json:"target,omitempty"`
	Function string      `json:"function,omitempty"`
	Count    event.Value `json:"count"`
	By       keys        `json:"by,omitempty"`
}

type jsonLatency struct {
	jsonCount
	Sum     event.Value  `json:"sum_ns"`
	Min     event.Value  `json:"min_ns"`
	Max     event.Value  `json:"max_ns"`
	P50     event.Value  `json:"p50_ns"`
	P90     event.Value  `json:"p90_ns"`
	P99     event.Value  `json:"p99_ns"`
	Buckets []jsonBucket `json:"buckets"`
}

func newRow(kind event.AggKind, row agg.Row) any {
	a := row.Agg
	c := jsonCount{Type: "count", Target: row.Function.Target, Function: row.Function.Function, Count: event.Uint(a.Count), By: row.By}
	if kind == event.AggCount {
		return c
	}
	c.Type = "latency"
	l := jsonLatency{jsonCount: c, Sum: event.Int(a.Sum), Min: event.Int(a.Min), Max: event.Int(a.Max),
		P50: event.Int(agg.Quantile(a, 0.5)), P90: event.Int(agg.Quantile(a, 0.9)), P99: event.Int(agg.Quantile(a, 0.99)),
		Buckets: []jsonBucket{}}
	for _, b := range a.Buckets {
		if b.Count > 0 {
			end := b.High
			if end == math.MaxInt64 {
				end = a.Max
			}
			l.Buckets = append(l.Buckets, jsonBucket{AtMost: event.Int(end), Count: event.Uint(b.Count)})
		}
	}
	return l
}

type jsonStats struct {
	Type          string            `json:"type"`
	Hits          uint64            `json:"hits"`
	Filtered      uint64            `json:"filtered"`
	Events        uint64            `json:"events"`
	Lost          uint64            `json:"lost"`
	LostBy        map[string]uint64 `json:"lost_by,omitempty"`
	MissedReturns uint64            `json:"missed_returns"`
	MissedBy      map[string]uint64 `json:"missed_by,omitempty"`
	Unfinished    uint64            `json:"unfinished"`
	Truncated     uint64            `json:"truncated"`
	Unreadable    uint64            `json:"unreadable"`
	Cost          int64             `json:"cost_ns"`
	Elapsed       int64             `json:"elapsed_ns"`
	Stopped       int64             `json:"stopped_ns,omitempty"`
	Stops         int               `json:"stops,omitempty"`
	Unobserved    int64             `json:"unobserved_ns,omitempty"`
}

func newStats(s event.Stats) jsonStats {
	return jsonStats{Type: "stats", Hits: s.Hits, Filtered: s.Filtered, Events: s.Events, Lost: s.Lost, LostBy: named(s.LostBy),
		MissedReturns: s.MissedReturns, MissedBy: named(s.MissedBy), Unfinished: s.Unfinished, Truncated: s.Truncated,
		Unreadable: s.Unreadable, Cost: int64(s.Cost), Elapsed: int64(s.Elapsed), Stopped: int64(s.Stopped), Stops: s.Stops, Unobserved: int64(s.Unobserved)}
}

// named leaves out what did not happen.
func named[K ~string](by map[K]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for cause, n := range by {
		if n > 0 {
			out[string(cause)] = n
		}
	}
	return out
}

type jsonFunction struct {
	Type      string `json:"type"`
	Target    string `json:"target"`
	Function  string `json:"function"`
	Provider  string `json:"provider,omitempty"`
	Linkage   string `json:"linkage,omitempty"`
	Signature string `json:"signature,omitempty"`
	Split     string `json:"split_types,omitempty"`
	Problem   string `json:"split_problem,omitempty"`
	Address   string `json:"address,omitempty"`
	Size      uint64 `json:"size,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Language  string `json:"language,omitempty"`
	Cost      string `json:"cost,omitempty"`
	IFunc     bool   `json:"ifunc,omitempty"`
	Inlined   int    `json:"inlined,omitempty"`
	Version   string `json:"version,omitempty"`
}

func newFunction(f event.Function) jsonFunction {
	return jsonFunction{Type: "function", Target: f.Target, Function: f.Name, Provider: f.Provider, Linkage: f.Linkage,
		Signature: f.Signature, Split: f.SplitTypes, Problem: f.SplitProblem, Address: address(f.Address), Size: f.Size, File: f.File, Line: f.Line,
		Language: f.Language.String(), Cost: f.Cost, IFunc: f.IFunc, Inlined: f.Inlined, Version: f.Version}
}

// address is in hexadecimal, "" where there is no instance outside of other functions.
func address(a uint64) string {
	if a == 0 {
		return ""
	}
	return "0x" + strconv.FormatUint(a, 16)
}
