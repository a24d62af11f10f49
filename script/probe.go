package script

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// script reads all of a program.
func (p *parser) script() *Script {
	s := &Script{Text: p.src}
	p.pos = len(p.src) - len(strings.TrimPrefix(p.src, "\ufeff"))
	if strings.HasPrefix(p.src[p.pos:], "#!") {
		p.pos += lineLength(p.src[p.pos:])
	}
	for {
		p.blank()
		if p.pos == len(p.src) {
			break
		}
		if p.skipInclude() {
			continue
		}
		if p.atMacro() {
			p.macro()
			continue
		}
		if p.atDefinition() {
			s.Defs = append(s.Defs, p.definition())
			continue
		}
		if p.atConfig() {
			s.Config = append(s.Config, p.config()...)
			continue
		}
		s.Probes = append(s.Probes, p.probe())
	}
	if len(s.Probes) == 0 {
		p.fail(NothingToDo, Span{p.pos, p.pos}, []string{"a probe is uprobe:libc:malloc { @ = count(); }"}, "script has no probe")
	}
	return s
}

// atConfig reports whether config = { comes next, without reading ahead otherwise.
func (p *parser) atConfig() bool {
	at := lexer{src: p.src, pos: p.pos}
	if at.word() != "config" {
		return false
	}
	at.blank()
	return strings.HasPrefix(p.src[at.pos:], "=")
}

// probe reads points, predicate and body.
func (p *parser) probe() *Probe {
	probe := &Probe{Span: Span{From: p.pos}}
	for {
		p.blank()
		probe.Points = append(probe.Points, p.point())
		p.blank()
		if p.pos == len(p.src) || p.src[p.pos] != ',' {
			break
		}
		p.pos++
	}
	if p.at("/") {
		probe.Pred = p.pred()
	}
	if !p.at("{") {
		p.needBody(probe)
	}
	probe.Body = p.block()
	probe.Span.To = p.last
	return probe
}

// needBody diagnoses a probe without one.
func (p *parser) needBody(probe *Probe) {
	if t := p.peek(); t.kind != tokEnd {
		p.unexpected(`"{"`)
	}
	last := probe.Points[len(probe.Points)-1].Span
	if probe.Pred != nil {
		last = probe.Pred.Pos()
	}
	p.fail(Unexpected, last, []string{"add what to do: { @[func] = count(); }"}, "probe has no body")
}

// pred reads /expression/.
func (p *parser) pred() Expr {
	open := p.next()
	p.predicate = true
	x := p.expression()
	p.predicate = false
	p.needValue()
	if !p.at("/") {
		if p.at("{") || p.peek().kind == tokEnd {
			p.fail(UnclosedBracket, open.span, []string{`add "/" behind the condition`}, "predicate is never closed")
		}
		p.unexpected(`"/"`)
	}
	p.next()
	return x
}

// point reads one probe point of a script.
func (p *parser) point() Point {
	from := p.pos
	kind, known := p.pointType()
	if !known {
		p.unknownType(from)
	}
	pt := Point{Kind: kind}
	switch kind {
	case Begin, End:
	case Interval, ProfileTimer:
		p.colon(kind)
		pt.Every = p.every()
	default:
		p.colon(kind)
		end := p.pointEnd(kind)
		r := &pointReader{lexer: lexer{src: p.src, pos: p.pos}, end: end, inScript: true}
		pt = r.point(kind)
		p.skipTo(end)
	}
	pt.Span = Span{from, p.pos}
	return pt
}

// pointType takes the word that a point begins with.
func (p *parser) pointType() (PointKind, bool) {
	switch p.word() {
	case "uprobe", "u":
		return Uprobe, true
	case "uretprobe", "ur":
		return Uretprobe, true
	case "usdt", "U":
		return USDT, true
	case "BEGIN", "begin":
		return Begin, true
	case "END", "end":
		return End, true
	case "interval", "i":
		return Interval, true
	case "profile", "p":
		return ProfileTimer, true
	}
	return 0, false
}

// kernelProbes are bpftrace's types that look into the kernel or the hardware.
var kernelProbes = [...]string{"kprobe", "k", "kretprobe", "kr", "kfunc", "kretfunc", "fentry", "fexit", "tracepoint", "t", "rawtracepoint",
	"rt", "software", "s", "hardware", "h", "watchpoint", "w", "asyncwatchpoint", "iter", "it", "self"}

// unknownType diagnoses the word at from, where a probe type must be.
func (p *parser) unknownType(from int) {
	if p.pos == from {
		p.pos = from
		t := p.peek()
		p.fail(Unexpected, t.span, []string{"a probe is uprobe:libc:malloc { @ = count(); }"}, "unexpected %s, a probe must come here", p.describe(t))
	}
	word := p.src[from:p.pos]
	at := Span{from, p.pos}
	switch {
	case slices.Contains(kernelProbes[:], word):
		p.fail(UnknownProbe, at, []string{"programs are observed with uprobe, uretprobe and usdt"}, "%s probes are outside of user space", word)
	}
	hints := nearHint(word, names(ProbeTypes()))
	if hints == nil {
		line := p.src[from : from+lineLength(p.src[from:])]
		point := line[:strings.IndexFunc(line+"{", func(r rune) bool { return strings.ContainsRune(" \t\r{,", r) })]
		hints = []string{"a probe begins with its type: " + fmt.Sprintf("uprobe:%.100s", printable(point))}
	}
	p.fail(UnknownProbe, at, hints, "unknown probe type %q", word)
}

// colon takes the one behind a type.
func (p *parser) colon(kind PointKind) {
	if !strings.HasPrefix(p.src[p.pos:], ":") {
		usage, _ := findName(ProbeTypes(), kind.String())
		p.fail(BadProbe, Span{p.pos, p.pos}, []string{"it is " + usage.Usage}, `":" is missing behind %s`, kind)
	}
	p.pos++
}

// every reads s:1, ms:10, us:5, hz:99, or 1s, 10ms.
func (p *parser) every() time.Duration {
	from := p.pos
	hints := []string{"an interval is s:1, ms:10, us:500 or hz:99"}
	unit := p.word()
	if unit != "" {
		if !strings.HasPrefix(p.src[p.pos:], ":") {
			p.fail(BadProbe, Span{from, p.pos}, hints, "number is missing behind the unit")
		}
		p.pos++
	}
	if p.pos == len(p.src) || !isDigit(p.src[p.pos]) {
		p.fail(BadProbe, Span{from, p.pos}, hints, "number is missing")
	}
	digits := p.pos
	n := p.number()
	at := Span{from, p.pos}
	if own := strings.Trim(p.src[digits:p.pos], "0123456789._"); (own == "") != (unit != "") {
		p.fail(BadProbe, at, hints, "interval needs one unit")
	}
	if n.value <= 0 {
		p.fail(BadProbe, at, hints, "interval must be more than 0")
	}
	if unit == "hz" {
		if every := time.Second / time.Duration(n.value); every > 0 {
			return every
		}
		p.fail(BadProbe, at, hints, "%d times a second is too often", n.value)
	}
	scale := uint64(1)
	if unit != "" {
		var ok bool
		if scale, ok = unitScale(unit); !ok || trimIntegerSuffix(unit) == "" {
			p.fail(BadProbe, at, hints, "unknown unit %q", unit)
		}
	}
	every, why := scaled(uint64(n.value), scale, 0)
	if why != "" || int64(every) < 0 {
		p.fail(BadProbe, at, hints, "interval is too long")
	}
	return time.Duration(every)
}
