package plan

import (
	"fmt"
	"strings"
	"time"
)

// strftime writes a time as C's function of this name does, for the conversions that make sense to the second. Others stay as they
// are written.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		b.WriteString(timePart(format[i], t))
	}
	return b.String()
}

func timePart(conversion byte, t time.Time) string {
	layouts := map[byte]string{
		'H': "15", 'M': "04", 'S': "05", 'I': "03", 'p': "PM", 'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'j': "002",
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'Z': "MST", 'z': "-0700", 'T': "15:04:05", 'R': "15:04", 'F': "2006-01-02", 'D': "01/02/06",
	}
	switch layout, ok := layouts[conversion]; {
	case ok:
		return t.Format(layout)
	case conversion == 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case conversion == 's':
		return fmt.Sprint(t.Unix())
	case conversion == 'n':
		return "\n"
	case conversion == '%':
		return "%"
	}
	return "%" + string(conversion)
}
