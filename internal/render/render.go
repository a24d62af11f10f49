// Package render turns events and tables into bytes: text for people, JSON lines and CSV for programs.
//
// In: events in the order in which they shall be read, the statistics at the end, and what the output can show (width,
// colour). Out: bytes on a writer. Invariant: what an observed program holds never steers the terminal: control
// characters leave escaped. It must not know engines, scripts or where events come from.
package render

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// Stream is where the events of a run go.
type Stream interface {
	// Event takes an event; it may be held in memory until Flush.
	Event(e event.Event) error
	// Flush writes out what is held.
	Flush() error
	// End says that the run is over: nothing comes after it.
	End(s event.Stats) error
}

// Options is what the output can show and what of the events to show.
type Options struct {
	Width      int            // columns of a line, 0: as many as it takes
	Colour     bool           // ANSI colours
	Script     bool           // maps as a script prints them; false: as tables
	Process    bool           // calls name their process from the first on; false: once there is a second one
	Stamp      bool           // calls begin with their time of day
	Zone       *time.Location // of Stamp, nil: this machine's
	Order      agg.Order      // how tables are sorted
	Top        int            // rows of a table, 0 all
	Histograms int            // functions whose latencies are drawn below a table, 0 all, -1 none
}

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.Local
	}
	return o.Zone
}

// Format is a way to write events.
type Format string

const (
	Text Format = "text"
	JSON Format = "json"
	CSV  Format = "csv"
	HTML Format = "html" // written by package page
)

// New makes the stream of a format.
func New(f Format, w io.Writer, o Options) (Stream, error) {
	switch f {
	case Text:
		return newText(w, o), nil
	case JSON:
		return newJSON(w, o), nil
	case CSV:
		return newCSV(w, o), nil
	}
	return nil, fmt.Errorf("format %q: not one of text, json, csv", f)
}

// FormatOf names the format that belongs to the extension of a file: .json and .jsonl, .csv, .txt, .html; "" for any other.
func FormatOf(file string) Format {
	switch filepath.Ext(file) {
	case ".json", ".jsonl", ".ndjson":
		return JSON
	case ".csv":
		return CSV
	case ".txt", ".log":
		return Text
	case ".html", ".htm":
		return HTML
	}
	return ""
}

// Closed recognises that nobody reads the output any more (`sonde ... | head`): the run ends, and that is no mistake.
func Closed(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) }
