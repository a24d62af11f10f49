package object

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/event"
)

// An engine puts a header before each record, so that records of all sources go one way:
//
//	0   u32 index in Sources, or FromPrintk
//	4   u32 CPU, where it is known
//	8   the record
//
// A line of bpf_printk is
//
//	8   u64 monotonic time
//	16  u64 thread group << 32 | thread
//	24  char comm[16]
//	40  text up to a NUL
const (
	Header     = 8
	FromPrintk = 1<<32 - 1
	PrintkText = 40
)

// PutHeader writes a header.
func PutHeader(b []byte, source uint32) { binary.LittleEndian.PutUint64(b, uint64(source)) }

// Clock tells the wall clock of a monotonic time.
type Clock interface{ At(mono uint64) time.Time }

// Decoder turns what an object's programs sent and keep into events. It is not safe for use by several goroutines at once.
type Decoder struct {
	o       *Object
	clock   Clock
	guessed map[[2]int]btf.Type // by source and size of the record
	notes   []string
}

// NewDecoder reads what programs of the object send.
func (o *Object) NewDecoder(clock Clock) *Decoder {
	return &Decoder{o: o, clock: clock, guessed: map[[2]int]btf.Type{}}
}

// Record decodes one record.
func (d *Decoder) Record(b []byte) (event.Event, error) {
	if len(b) < Header {
		return nil, fmt.Errorf("record of %d bytes: shorter than its header", len(b))
	}
	index := binary.LittleEndian.Uint32(b)
	if index == FromPrintk {
		return d.line(b)
	}
	if int(index) >= len(d.o.Sources) {
		return nil, fmt.Errorf("record of source %d: the object has %d", index, len(d.o.Sources))
	}
	s, b := &d.o.Sources[index], b[Header:]
	out := &event.Record{Time: time.Now(), Map: s.Map}
	if s.Aya {
		l, err := ayaLine(b, s.Perf)
		if err == nil {
			return l, nil
		}
		d.note(err.Error())
		out.Value = typed(nil, b)
		return out, nil
	}
	t := s.Type
	if t == nil {
		t = d.typeOf(int(index), s, len(b))
		out.Guess = t != nil
	}
	if t == nil {
		out.Value = typed(nil, b)
		return out, nil
	}
	out.Value = Value(t, b)
	return out, nil
}

// typeOf guesses once per size of a record, and notes what it guessed.
func (d *Decoder) typeOf(index int, s *Source, size int) btf.Type {
	key := [2]int{index, size}
	t, known := d.guessed[key]
	if known {
		return t
	}
	t = d.o.guess(s, size)
	if len(d.guessed) < 1024 {
		d.guessed[key] = t
	}
	d.note(note(s, t, size))
	return t
}

// note keeps the first few notes, each once.
func (d *Decoder) note(text string) {
	if len(d.notes) < 4 && !slices.Contains(d.notes, text) {
		d.notes = append(d.notes, text)
	}
}

func note(s *Source, t btf.Type, size int) string {
	if t == nil {
		return fmt.Sprintf("nothing in the object says what the records of %s are (%d bytes): --event '%s=struct NAME' does", s.Map, size, s.Map)
	}
	name := typeName(t)
	return fmt.Sprintf("records of %s are read as %s, which its name and size suggest: --event '%s=%s' makes sure", s.Map, name, s.Map, name)
}

// Notes are what a reader of the events must know about them.
func (d *Decoder) Notes() []string { return d.notes }

// line is a line of bpf_printk.
func (d *Decoder) line(b []byte) (event.Event, error) {
	if len(b) < PrintkText {
		return nil, fmt.Errorf("line of bpf_printk: %d bytes are shorter than its header", len(b))
	}
	pids := binary.LittleEndian.Uint64(b[16:])
	text := cString(b[PrintkText:])
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	return &event.Log{Source: "bpf_printk", Time: d.clock.At(binary.LittleEndian.Uint64(b[8:])), PID: int(pids >> 32), TID: int(uint32(pids)),
		Comm: cString(b[24:40]), Text: text}, nil
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Map reads a table; the cells are those of the engine.
func (d *Decoder) Map(i int, cells func(fn func(key []byte, values [][]byte) error) error) (event.Map, error) {
	t := &d.o.Tables[i]
	m := event.Map{Name: t.Name, Kind: t.Kind()}
	if !t.Variable {
		m.Keys = []string{"key"}
	}
	err := cells(func(key []byte, values [][]byte) error {
		m.Entries = append(m.Entries, t.Entry(key, values))
		return nil
	})
	return m, err
}
