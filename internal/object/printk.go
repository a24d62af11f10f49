package object

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Line is what bpf_printk is called with.
type Line struct {
	Time, IDs uint64 // as in the record
	Comm      []byte
	Format    string
	Args      []uint64
	// Texts are what arguments are as text, up to a NUL.
	Texts [][]byte
}

// Record is the record of a line, as an engine hands it out; nil for a line that the kernel refuses to write.
func (l *Line) Record() []byte {
	text, ok := l.text()
	if !ok {
		return nil
	}
	b := make([]byte, PrintkText)
	PutHeader(b, FromPrintk)
	binary.LittleEndian.PutUint64(b[8:], l.Time)
	binary.LittleEndian.PutUint64(b[16:], l.IDs)
	copy(b[24:], l.Comm)
	return append(append(b, text...), 0)
}

// text writes the arguments as the format says, the way the kernel does (bpf_bprintf_prepare in kernel/trace/bpf_trace.c): flags, width,
// length l or ll, and d i u x X c s p; %pks and %pus are text. A format that has anything else, or more than there are arguments, is no line. Pointers
// are shown as they are.
func (l *Line) text() (string, bool) {
	var b strings.Builder
	format := cString([]byte(l.Format))
	next := 0
	for at := 0; at < len(format); at++ {
		if format[at] != '%' {
			b.WriteByte(format[at])
			continue
		}
		c := directive(format[at:])
		at += c.length - 1
		switch {
		case c.verb == '%':
			b.WriteByte('%')
			continue
		case c.verb == 0 || next >= len(l.Args):
			return "", false
		}
		b.WriteString(c.write(l.Args[next], l.Texts[next]))
		next++
	}
	return b.String(), true
}

// conversion is one % of a format.
type conversion struct {
	flags  string // with the width
	long   bool   // 64 bits
	verb   byte   // 0: none that the kernel knows
	length int    // of it all
}

func directive(text string) conversion {
	at := 1
	skip := func(set string) string {
		from := at
		for at < len(text) && strings.IndexByte(set, text[at]) >= 0 {
			at++
		}
		return text[from:at]
	}
	c := conversion{flags: skip("0- +") + skip("0123456789")}
	c.long = skip("l") != ""
	if at < len(text) && strings.IndexByte("diuxXcsp%", text[at]) >= 0 {
		c.verb = text[at]
		at++
	}
	if c.verb == 'p' {
		c.long = true
		if rest := text[at:]; strings.HasPrefix(rest, "ks") || strings.HasPrefix(rest, "us") {
			c.verb = 's'
			at += 2
		} else {
			skip("KxsSBIi46")
		}
	}
	c.length = at
	return c
}

func (c *conversion) write(arg uint64, text []byte) string {
	signed := int64(arg)
	if !c.long {
		signed, arg = int64(int32(arg)), arg&(1<<32-1)
	}
	switch c.verb {
	case 's':
		return fmt.Sprintf("%"+c.flags+"s", cString(text))
	case 'c':
		return fmt.Sprintf("%"+c.flags+"s", []byte{byte(arg)})
	case 'd', 'i':
		return fmt.Sprintf("%"+c.flags+"d", signed)
	case 'p':
		return fmt.Sprintf("0x%x", arg)
	case 'u':
		return fmt.Sprintf("%"+c.flags+"d", arg)
	}
	return fmt.Sprintf("%"+c.flags+string(c.verb), arg)
}
