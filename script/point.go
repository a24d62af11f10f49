package script

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxPoint bounds one probe point: mangled templates are long, hostile text longer.
const maxPoint = 8192

// pointReader reads one probe point: the bytes of src from pos to end. A script's point has been cut out of its
// surroundings by pointEnd; on the command line the whole argument is the point.
//
// # Which colon separates
//
// A point is TARGET:FUNCTION, and both halves may hold nearly any character. The rule:
//
//   - A lone colon separates. "::" never does: it belongs to the C++ or Rust name around it. Of ":::" the first
//     separates and the rest, the global scope, is dropped. So lib:ns::f is f of ns in lib, and ns::f has no target.
//   - Only the first lone colon counts: what follows it is the function, whatever it holds.
//   - A colon between brackets, as in f[abi:cxx11](int), does not separate; nor does one between quotes, so
//     "/odd:path/app":main names a path with a colon.
//   - Without a colon there is no target: the function is the program's own. ":f" says the same.
//   - X:42 is line 42 of the program's file X, and T:X:42 that of T's: no function is called 42.
//   - In usdt points names hold no colon, so the last two parts are provider and name, and what is before them is the
//     target. If there are only two and the first holds a slash, it is the target, as in bpftrace.
//
// FUNCTION is then, in this order: quoted (an exact name), /regexp/, 0xADDRESS, FILE:LINE, NAME+OFFSET, or a name or glob.
// A target-less /regexp/ has no lone colon and ends with a slash; a path does neither.
type pointReader struct {
	lexer
	end      int
	whole    bool // there is no target: all of the text is the function
	static   bool // names of static probes hold no brackets
	inScript bool // a FILE that begins with a slash must be quoted there: it would be a regexp
}

// ParsePoint reads a probe point from the command line: TARGET:FUNCTION and its relatives. A type in front ("usdt:",
// "uprobe:", "uretprobe:") overrides kind. Its error is a *Diagnostic.
func ParsePoint(text string, kind PointKind) (pt Point, err error) {
	defer catch(&err)
	r := &pointReader{lexer: lexer{src: text}, end: len(text)}
	if len(text) > maxPoint {
		r.src = text[:80]
		r.fail(TooLong, Span{}, nil, "probe is longer than %d bytes", maxPoint)
	}
	return r.argument(kind), nil
}

// argument reads a point of the command line, blanks around it left out.
func (r *pointReader) argument(kind PointKind) Point {
	given := r.src[r.pos:r.end]
	r.pos += len(given) - len(strings.TrimLeft(given, " \t\r\n"))
	r.end = max(r.pos, r.end-len(given)+len(strings.TrimRight(given, " \t\r\n")))
	at := Span{r.pos, r.end}
	for _, typed := range [...]PointKind{Uprobe, Uretprobe, USDT} {
		if prefix := typed.String() + ":"; strings.HasPrefix(r.src[r.pos:r.end], prefix) {
			kind = typed
			r.pos += len(prefix)
			break
		}
	}
	pt := r.point(kind)
	pt.Span = at
	return pt
}

// point reads what follows the type.
func (r *pointReader) point(kind PointKind) Point {
	pt := Point{Kind: kind}
	pt.FunctionSpan = Span{r.pos, r.end}
	if r.pos == r.end {
		r.fail(BadProbe, Span{r.pos, r.end}, []string{"a probe is TARGET:FUNCTION, such as libc:malloc"}, "function is missing")
	}
	if kind == USDT {
		r.static = true
		r.staticProbe(&pt)
		return pt
	}
	if colon := r.separator(r.pos); colon >= 0 {
		pt.TargetSpan = Span{r.pos, colon}
		pt.Target = r.plain(pt.TargetSpan, "target")
		r.pos = colon + 1
		if strings.HasPrefix(r.src[r.pos:r.end], "::") {
			r.pos += 2
		}
	} else {
		r.whole = true
		if strings.HasPrefix(r.src[r.pos:r.end], "::") {
			r.pos += 2
		}
	}
	pt.FunctionSpan = Span{r.pos, r.end}
	r.function(&pt)
	return pt
}

// staticProbe reads [TARGET:]PROVIDER:NAME.
func (r *pointReader) staticProbe(pt *Point) {
	var cuts []int
	for i := r.separator(r.pos); i >= 0; i = r.separator(i + 1) {
		cuts = append(cuts, i)
	}
	if len(cuts) == 0 {
		r.fail(BadProbe, Span{r.pos, r.end}, []string{"a static probe is usdt:TARGET:PROVIDER:NAME"}, "provider is missing")
	}
	last := cuts[len(cuts)-1]
	pt.Function = r.plain(Span{last + 1, r.end}, "name")
	if pt.Function == "" {
		r.fail(BadProbe, Span{r.pos, r.end}, []string{"usdt:TARGET:PROVIDER:* stands for all"}, "name is missing")
	}
	before := r.plain(Span{r.pos, cuts[0]}, "target")
	switch {
	case len(cuts) > 1:
		between := cuts[len(cuts)-2]
		pt.TargetSpan = Span{r.pos, between}
		pt.FunctionSpan = Span{between + 1, r.end}
		pt.Target = r.plain(pt.TargetSpan, "target")
		if between+1 < last { // usdt:TARGET::NAME is of any provider
			pt.Provider = r.plain(Span{between + 1, last}, "provider")
		}
	case strings.Contains(before, "/"):
		pt.Target = before
		pt.TargetSpan, pt.FunctionSpan = Span{r.pos, cuts[0]}, Span{cuts[0] + 1, r.end}
	default:
		pt.Provider = before
	}
}

// separator finds the first lone colon at or after from; -1 when there is none.
func (r *pointReader) separator(from int) int {
	for i := from; i < r.end; i++ {
		switch r.src[i] {
		case '"':
			if i == from || r.src[i-1] == ':' {
				i = r.quoteEnd(i) - 1
			}
		case '[':
			if end := matching(r.src[:r.end], i); end >= 0 && !r.static {
				i = end
			}
		case ':':
			run := len(r.src[i:r.end]) - len(strings.TrimLeft(r.src[i:r.end], ":"))
			if run > 3 {
				r.fail(BadProbe, Span{i, i + run}, []string{`":" separates, "::" is part of a name`}, "too many colons")
			}
			if run != 2 {
				return i
			}
			i++
		}
	}
	return -1
}

// quoteEnd is the position behind the string that begins at from.
func (r *pointReader) quoteEnd(from int) int {
	l := lexer{src: r.src, pos: from}
	l.quoted()
	if l.pos > r.end {
		r.fail(UnclosedString, Span{from, r.end}, nil, "string is never closed")
	}
	return l.pos
}

// plain reads a part that is a name by itself, quoted or not.
func (r *pointReader) plain(at Span, what string) string {
	text := r.src[at.From:at.To]
	if !strings.HasPrefix(text, `"`) {
		return text
	}
	l := lexer{src: r.src, pos: at.From}
	t := l.quoted()
	if l.pos != at.To {
		r.fail(BadProbe, Span{l.pos, at.To}, nil, "nothing can follow a quoted %s", what)
	}
	if t.text == "" {
		r.fail(BadProbe, at, nil, "%s is empty", what)
	}
	return t.text
}

// function reads what is armed: see pointReader for the order.
func (r *pointReader) function(pt *Point) {
	at := Span{r.pos, r.end}
	text := r.src[at.From:at.To]
	switch {
	case text == "":
		r.fail(BadProbe, Span{at.From, at.To}, []string{pt.Target + ":* stands for all functions"}, "function is missing")
	case text[0] == '"':
		r.quotedFunction(pt)
	case text[0] == '/' && !r.lineSuffix(pt, text):
		r.regexp(pt)
	case pt.HasAddress || pt.File != "":
	case strings.HasPrefix(text, "0x"):
		r.address(pt, text)
	case strings.Trim(text, "0123456789") == "" && pt.Target != "":
		pt.File, pt.Target = pt.Target, ""
		pt.FunctionSpan.From, pt.TargetSpan = pt.TargetSpan.From, Span{pt.TargetSpan.From, pt.TargetSpan.From}
		pt.Line = r.line(text)
	case r.lineSuffix(pt, text):
	case isDigit(text[0]):
		r.fail(BadProbe, at, []string{"an address is 0x" + strings.TrimLeft(text, "0")}, "%q is no function", text)
	default:
		pt.Function = r.offset(pt, text)
	}
}

// lineSuffix takes FILE:LINE, where a lone colon and digits end the text.
func (r *pointReader) lineSuffix(pt *Point, text string) bool {
	file := strings.TrimRight(text, "0123456789")
	if len(file) == len(text) || len(file) < 2 || !strings.HasSuffix(file, ":") || strings.HasSuffix(file, "::") {
		return false
	}
	if r.inScript && text[0] == '/' {
		return false
	}
	pt.File, pt.Line = file[:len(file)-1], r.line(text[len(file):])
	return true
}

func (r *pointReader) line(digits string) int {
	n, err := strconv.ParseInt(digits, 10, 31)
	if err != nil || n == 0 {
		r.fail(BadProbe, Span{r.end - len(digits), r.end}, nil, "there is no line %s", digits)
	}
	return int(n)
}

// quotedFunction takes "name", "name"+0x10 or "file":42.
func (r *pointReader) quotedFunction(pt *Point) {
	from := r.pos
	end := r.quoteEnd(from)
	name := r.plain(Span{from, end}, "function")
	rest := r.src[end:r.end]
	switch {
	case rest == "":
		pt.Function = name
	case strings.HasPrefix(rest, ":") && strings.Trim(rest[1:], "0123456789") == "" && rest != ":":
		pt.File, pt.Line = name, r.line(rest[1:])
	case r.offset(pt, "f"+rest) == "f":
		pt.Function = name
	default:
		r.fail(BadProbe, Span{end, r.end}, nil, "only +OFFSET or :LINE can follow a quoted name")
	}
}

func (r *pointReader) regexp(pt *Point) {
	at := Span{r.pos, r.end}
	end := regexpEnd(r.src[:r.end], r.pos)
	if r.whole && end != r.end {
		path := r.src[at.From:at.To]
		r.fail(BadProbe, Span{r.end, r.end}, []string{path + ":* stands for all functions of " + path}, "function is missing")
	}
	if end < 0 {
		r.fail(BadRegexp, at, []string{`a regular expression ends with "/"; a slash inside is \/`}, "regular expression is never closed")
	}
	if end != r.end {
		r.fail(BadRegexp, Span{end, r.end}, []string{`a slash inside is \/`}, "nothing can follow a regular expression")
	}
	pt.Function, pt.Regexp = unescapeSlashes(r.src[r.pos+1:end-1]), true
	if _, err := regexp.Compile(pt.Function); err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		r.fail(BadRegexp, at, nil, "regular expression: %s", printable(why))
	}
	if pt.Function == "" || strings.ContainsFunc(pt.Function, unicode.IsControl) {
		r.fail(BadRegexp, at, []string{"/./ matches every name"}, "regular expression is empty or holds control characters")
	}
}

// regexpEnd is the position behind the regexp that begins at from; -1 when it has no end on its line.
func regexpEnd(src string, from int) int {
	for i := from + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '/':
			return i + 1
		case '\n':
			return -1
		}
	}
	return -1
}

// unescapeSlashes turns \/ into / and leaves all other escapes to the regexp.
func unescapeSlashes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if i++; s[i] != '/' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (r *pointReader) address(pt *Point, text string) {
	value, err := strconv.ParseUint(text[2:], 16, 64)
	if err != nil {
		r.fail(BadProbe, Span{r.pos, r.end}, []string{"an address is 0x and hexadecimal digits"}, "%q is no address", text)
	}
	pt.Address, pt.HasAddress = value, true
}

// offset cuts +0x10 or +16 off a name. C++'s operator+ has no number behind its plus.
func (r *pointReader) offset(pt *Point, text string) string {
	plus := strings.LastIndexByte(text, '+')
	if plus < 1 || plus+1 == len(text) || !isDigit(text[plus+1]) {
		return text
	}
	at := Span{r.end - len(text) + plus + 1, r.end}
	value, err := strconv.ParseUint(text[plus+1:], 0, 63)
	if err != nil {
		r.fail(BadProbe, at, []string{"an offset is +0x10 or +16"}, "%q is no offset", text[plus+1:])
	}
	pt.Offset, pt.HasOffset = value, true
	return text[:plus]
}
