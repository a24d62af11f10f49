package render

import (
	"bufio"
	"io"

	"github.com/sonde-project/sonde/event"
)

// text writes events for people.
type text struct {
	w     *bufio.Writer
	o     Options
	calls *calls
	buf   []byte
	wrote bool // something stands above: tables keep a distance
	open  bool // the last line has no end yet: printf need not write one
	final bool // a final map was printed
	// What stands in tables at the end.
	queries      []*event.Query
	transactions []*event.Transaction
}

func newText(w io.Writer, o Options) *text {
	return &text{w: bufio.NewWriterSize(w, 64<<10), o: o, calls: newCalls(o)}
}

func (t *text) Event(e event.Event) error {
	switch e := e.(type) {
	case *event.Call:
		t.buf = t.calls.append(t.buf[:0], e)
		return t.write(t.buf)
	case *event.Print:
		return t.print(e)
	case *event.Record:
		return t.write(appendRecord(t.buf[:0], e))
	case *event.Log:
		return t.write(appendLog(t.buf[:0], e))
	case *event.MapPrint:
		return t.showMap(e)
	case *event.Statement:
		return t.write(appendStatement(t.buf[:0], e, t.o))
	case *event.Query:
		t.queries = append(t.queries, e)
	case *event.Transaction:
		t.transactions = append(t.transactions, e)
	}
	return nil // MapClear and Exit show nothing
}

func (t *text) write(b []byte) error {
	if len(b) > 0 {
		t.wrote, t.open = true, b[len(b)-1] != '\n'
	}
	_, err := t.w.Write(b)
	return err
}

// print writes what printf said, as it is; print(value) ends with a line break.
func (t *text) print(p *event.Print) error {
	t.buf = p.AppendText(t.buf[:0])
	if p.Format == "" {
		t.buf = append(t.buf, '\n')
	}
	return t.write(t.buf)
}

func (t *text) showMap(p *event.MapPrint) error {
	asTable := !t.o.Script && IsTable(p.Map.Kind)
	lines := scriptMap
	if asTable {
		lines = tablePrint
	}
	shown := lines(p, t.o)
	if len(shown) == 0 {
		return nil
	}
	if t.wrote && (asTable || p.Final && !t.final) {
		shown = append([]string{""}, shown...)
	}
	t.final = t.final || p.Final
	t.buf = t.buf[:0]
	if t.open {
		t.buf = append(t.buf, '\n')
	}
	for _, l := range shown {
		t.buf = append(append(t.buf, l...), '\n')
	}
	return t.write(t.buf)
}

// tablePrint is table for a print that may name its own number of rows.
func tablePrint(p *event.MapPrint, o Options) []string {
	if p.Top > 0 {
		o.Top = p.Top
	}
	return table(p.Map, o)
}

func (t *text) Flush() error { return t.w.Flush() }

func (t *text) End(event.Stats) error {
	lines := append(queryTable(t.queries, t.o), transactionLines(t.transactions, t.o)...)
	if t.wrote && len(lines) > 0 {
		lines = append([]string{""}, lines...)
	}
	for _, l := range lines {
		if err := t.write([]byte(l + "\n")); err != nil {
			return err
		}
	}
	return t.w.Flush()
}
