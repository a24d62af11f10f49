package script

import "strings"

// given is what the command line gave to a verb.
type given struct {
	points []Point
	pred   Expr
	by     []Expr
}

// place writes the parts as text, with form feeds between them, and reads them back, so that every span points into that
// one text: a diagnosis then shows the part that is wrong as the user knows it. What does not read back (a tree that
// no parser made) keeps its spans.
func (g *given) place() string {
	var parts []string
	var spans []Span
	add := func(part string) {
		from := 0
		if len(spans) > 0 {
			from = spans[len(spans)-1].To + 1
		}
		parts, spans = append(parts, part), append(spans, Span{from, from + len(part)})
	}
	for _, pt := range g.points {
		add(pt.commandLine())
	}
	if g.pred != nil {
		add(Format(g.pred))
	}
	if len(g.by) > 0 {
		add(FormatList(g.by))
	}
	text := strings.Join(parts, "\f")
	points := make([]Point, len(g.points))
	for i, pt := range g.points {
		points[i] = placedPoint(text, spans[i], pt)
	}
	g.points, spans = points, spans[len(points):]
	if g.pred != nil {
		g.pred = placed(text, spans[0], []Expr{g.pred})[0]
		spans = spans[1:]
	}
	if len(g.by) > 0 {
		g.by = placed(text, spans[0], g.by)
	}
	return text
}

// placedPoint is the point with its spans in text.
func placedPoint(text string, at Span, pt Point) (read Point) {
	defer func() {
		if _, wrong := recover().(*Diagnostic); wrong {
			read = pt
		}
	}()
	r := &pointReader{lexer: lexer{src: text, pos: at.From}, end: at.To}
	return r.argument(pt.Kind)
}

// placed are the expressions with their spans in text.
func placed(text string, at Span, list []Expr) (read []Expr) {
	defer func() {
		if _, wrong := recover().(*Diagnostic); wrong {
			read = list
		}
	}()
	p := newParser(text[:at.To])
	p.pos, p.bare = at.From, true
	return p.expressions()
}
