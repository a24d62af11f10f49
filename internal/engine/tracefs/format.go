package tracefs

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
)

// field is where a record of an event has a value.
type field struct{ at, size int }

// format is an event's format file, read.
type format struct {
	id     uint16
	fields map[string]field
}

// parseFormat reads lines such as "field:u64 m0_0[];\toffset:28;\tsize:200;\tsigned:0;".
func parseFormat(text string) (*format, error) {
	f := &format{fields: map[string]field{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if number, ok := strings.CutPrefix(line, "ID: "); ok {
			id, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("event format: %w", err)
			}
			f.id = uint16(id)
		}
		if !strings.HasPrefix(line, "field:") {
			continue
		}
		var name string
		var at field
		for _, part := range strings.Split(line, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), ":")
			switch key {
			case "field":
				words := strings.Fields(value)
				name, _, _ = strings.Cut(words[len(words)-1], "[")
			case "offset":
				at.at, _ = strconv.Atoi(value)
			case "size":
				at.size, _ = strconv.Atoi(value)
			}
		}
		f.fields[name] = at
	}
	if f.id == 0 || len(f.fields) == 0 {
		return nil, fmt.Errorf("event format: %q", text)
	}
	return f, nil
}

// number reads an integer field; 0 where the record ends before it.
func (f field) number(record []byte) uint64 {
	b := f.bytes(record)
	switch len(b) {
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (f field) bytes(record []byte) []byte {
	if f.size == 0 || f.at+f.size > len(record) {
		return nil
	}
	return record[f.at:][:f.size]
}

// text reads a field of the kind __data_loc: offset in the lower half of a word, length in its upper half.
func (f field) text(record []byte) string {
	loc := uint32(f.number(record))
	at, n := int(loc&0xffff), int(loc>>16)
	if at+n > len(record) {
		return ""
	}
	text, _, _ := strings.Cut(string(record[at:at+n]), "\x00")
	return text
}

// shape is where an event's records have what.
type shape struct {
	id                  uint16
	thread, pc, site    field
	comm, flags         field
	regs                [16]field
	blocks              [][]field // by wants.blocks
	hasComm, returnsHit bool
}

func (e *event) learn(f *format) error {
	s := shape{id: f.id, hasComm: e.want.comm, returnsHit: e.part == trampolines}
	var err error
	take := func(name string) field {
		got, ok := f.fields[name]
		if !ok && err == nil {
			err = fmt.Errorf("event %s: the kernel made no field %s", e.name, name)
		}
		return got
	}
	s.thread, s.site = take("common_pid"), take("site")
	if s.pc = f.fields["__probe_ip"]; e.part == trampolines {
		s.pc = take("__probe_func")
	}
	if e.want.comm {
		s.comm = take("comm")
	}
	if e.want.flags {
		s.flags = take("flags")
	}
	for r, wanted := range e.want.regs {
		if wanted {
			s.regs[r] = take(fmt.Sprintf("r%d", r))
		}
	}
	for i, b := range e.want.blocks {
		var parts []field
		for j := range b.arguments("") {
			parts = append(parts, take(fmt.Sprintf("m%d_%d", i, j)))
		}
		s.blocks = append(s.blocks, parts)
	}
	e.shape = s
	return err
}

// hit reads a record. Its process is not in it.
func (e *event) hit(record []byte, s *plan.Site) *interp.Hit {
	h := &interp.Hit{Site: s, TID: int(e.shape.thread.number(record)), PC: e.shape.pc.number(record), Flags: e.shape.flags.number(record)}
	for r, wanted := range e.want.regs {
		if wanted {
			h.Regs[r] = e.shape.regs[r].number(record)
		}
	}
	h.SP = h.Regs[stackPointer]
	if e.shape.returnsHit {
		h.SP -= 8
	}
	if e.shape.hasComm {
		h.Comm = e.shape.comm.text(record)
	}
	return h
}
