package script

import (
	"fmt"
	"strconv"
	"strings"
)

// lineWidth is how long points, or a body of one statement, may make a line before they go on lines of their own.
const lineWidth = 100

// String prints the script; the text parses to the same tree.
func (s *Script) String() string {
	var b strings.Builder
	if len(s.Config) > 0 {
		b.WriteString("config = {\n")
		for i := range s.Config {
			b.WriteString("    " + Format(&s.Config[i]) + ";\n")
		}
		b.WriteString("}\n")
	}
	for _, d := range s.Defs {
		b.WriteString(d.Text + "\n")
	}
	for i, p := range s.Probes {
		if i > 0 || len(s.Config) > 0 || len(s.Defs) > 0 {
			b.WriteString("\n")
		}
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

// String prints the probe without a line end.
func (p *Probe) String() string {
	var b strings.Builder
	b.WriteString(p.pointList())
	if p.Pred != nil {
		b.WriteString(" " + predicateText(p.Pred))
	}
	b.WriteString(" ")
	last := b.Len() - 1 - strings.LastIndexByte(b.String(), '\n')
	if line := oneLine(p.Body); line != "" && last+len(line) <= lineWidth {
		return b.String() + line
	}
	w := printer{b: &b}
	w.block(p.Body)
	return b.String()
}

// pointList is the points between commas, one a line when they do not fit on one.
func (p *Probe) pointList() string {
	var list []string
	for _, pt := range p.Points {
		list = append(list, pt.String())
	}
	line := strings.Join(list, ", ")
	if len(line) > lineWidth {
		return strings.Join(list, ",\n")
	}
	return line
}

// predicateText puts slashes around a condition, apart from a "*" that would make the first one a comment.
func predicateText(x Expr) string {
	text := Format(x)
	if text[0] == '*' {
		text = " " + text
	}
	return "/" + text + "/"
}

// oneLine prints a body of at most one simple statement, "" any other.
func oneLine(body []Stmt) string {
	if len(body) == 0 {
		return "{ }"
	}
	switch body[0].(type) {
	case *ExprStmt, *Assign, *Jump:
		if len(body) == 1 {
			return "{ " + Format(body[0]) + "; }"
		}
	}
	return ""
}

// Format prints an Expr or a Stmt; the text parses to the same tree.
func Format(node interface{ Pos() Span }) string {
	var b strings.Builder
	w := printer{b: &b}
	switch node.(type) {
	case *ExprStmt, *Assign, *If, *While, *For, *Jump:
		w.stmt(node)
	default:
		w.expr(node, condLevel)
	}
	return b.String()
}

// FormatList prints expressions between commas.
func FormatList(list []Expr) string {
	var b strings.Builder
	w := printer{b: &b}
	w.list(list)
	return b.String()
}

// printer writes a tree; indent is the depth of blocks.
type printer struct {
	b      *strings.Builder
	indent int
}

func (w *printer) write(parts ...string) {
	for _, s := range parts {
		w.b.WriteString(s)
	}
}

// block writes { statements }, one a line.
func (w *printer) block(list []Stmt) {
	w.write("{\n")
	w.indent++
	for _, s := range list {
		w.write(strings.Repeat("    ", w.indent))
		w.stmt(s)
		switch s.(type) {
		case *ExprStmt, *Assign, *Jump:
			w.write(";")
		}
		w.write("\n")
	}
	w.indent--
	w.write(strings.Repeat("    ", w.indent), "}")
}

// stmt writes a statement without semicolon.
func (w *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *ExprStmt:
		w.expr(s.X, condLevel)
	case *Assign:
		w.expr(s.Left, condLevel)
		w.write(" ", s.Op, " ")
		w.expr(s.Right, condLevel)
	case *Jump:
		w.write(s.Word)
	case *If:
		w.ifStmt(s)
	case *While:
		word := "while ("
		if s.Unroll {
			word = "unroll ("
		}
		w.write(word)
		w.expr(s.Cond, condLevel)
		w.write(") ")
		w.block(s.Body)
	case *For:
		w.write("for ($", s.Var, " : ")
		w.expr(s.From, condLevel)
		w.write("..")
		w.expr(s.To, condLevel)
		w.write(") ")
		w.block(s.Body)
	default:
		panic(fmt.Sprintf("script: statement %T cannot be printed", s))
	}
}

func (w *printer) ifStmt(s *If) {
	w.write("if (")
	w.expr(s.Cond, condLevel)
	w.write(") ")
	w.block(s.Then)
	if s.Else == nil {
		return
	}
	w.write(" else ")
	if len(s.Else) == 1 {
		if chained, ok := s.Else[0].(*If); ok {
			w.ifStmt(chained)
			return
		}
	}
	w.block(s.Else)
}

// expr writes x, in parentheses when it binds less tightly than level.
func (w *printer) expr(x Expr, level int) {
	if levelOf(x) < level {
		w.write("(")
		defer w.write(")")
	}
	switch x := x.(type) {
	case *Int:
		w.write(intText(x))
	case *Str:
		w.write(quote(x.Value))
	case *Ident:
		w.write(x.Name)
	case *Var:
		w.write("$", x.Name)
	case *Positional:
		w.write(positionalText(x))
	case *MapRef:
		w.write("@", x.Name)
		if x.Keys != nil {
			w.bracketed("[", x.Keys, "]")
		}
	case *Call:
		w.write(x.Name)
		w.bracketed("(", x.Args, ")")
	case *Tuple:
		end := ")"
		if len(x.Elems) == 1 {
			end = ",)"
		}
		w.bracketed("(", x.Elems, end)
	case *Sizeof:
		w.write("sizeof(", x.Type)
		if x.X != nil {
			w.expr(x.X, condLevel)
		}
		w.write(")")
	default:
		w.operation(x)
	}
}

// operation writes an expression that has operands beside its operator.
func (w *printer) operation(x Expr) {
	switch x := x.(type) {
	case *Unary:
		w.unary(x)
	case *Binary:
		level := precedence(x.Op)
		w.expr(x.X, level)
		w.write(" ", x.Op, " ")
		w.expr(x.Y, level+1)
	case *Cond:
		w.expr(x.C, condLevel+1)
		w.write(" ? ")
		w.expr(x.X, condLevel)
		w.write(" : ")
		w.expr(x.Y, condLevel)
	case *Cast:
		w.write("(", x.Type, ")")
		w.expr(x.X, unaryLevel)
	case *FieldRef:
		w.postfixed(x.X)
		if x.Arrow {
			w.write("->", x.Name)
		} else {
			w.write(".", x.Name)
		}
	case *Index:
		w.indexed(x)
	default:
		panic(fmt.Sprintf("script: expression %T cannot be printed", x))
	}
}

func (w *printer) unary(x *Unary) {
	if x.Postfix {
		w.expr(x.X, postfixLevel)
		w.write(x.Op)
		return
	}
	w.write(x.Op)
	// "- -x" and "& &x": written together they would be another operator.
	if inner, ok := x.X.(*Unary); ok && !inner.Postfix && inner.Op[0] == x.Op[0] && strings.Contains("-&", x.Op) {
		w.write(" ")
	}
	w.expr(x.X, unaryLevel)
}

// postfixed writes what "." or "->" stands behind: a number would swallow the point.
func (w *printer) postfixed(x Expr) {
	if _, number := x.(*Int); number {
		w.write("(")
		defer w.write(")")
	}
	w.expr(x, postfixLevel)
}

// indexed writes x[i]: a map without keys would take the index for its key.
func (w *printer) indexed(x *Index) {
	if m, ok := x.X.(*MapRef); ok && m.Keys == nil {
		w.write("(@", m.Name, ")")
	} else {
		w.expr(x.X, postfixLevel)
	}
	w.write("[")
	w.expr(x.I, condLevel)
	w.write("]")
}

func (w *printer) bracketed(open string, list []Expr, end string) {
	w.write(open)
	w.list(list)
	w.write(end)
}

func (w *printer) list(list []Expr) {
	for i, x := range list {
		if i > 0 {
			w.write(", ")
		}
		w.expr(x, condLevel)
	}
}

// levelOf is how tightly an expression binds.
func levelOf(x Expr) int {
	switch x := x.(type) {
	case *Cond:
		return condLevel
	case *Binary:
		return precedence(x.Op)
	case *Unary:
		if !x.Postfix {
			return unaryLevel
		}
	case *Cast:
		return unaryLevel
	}
	return postfixLevel
}

func intText(x *Int) string {
	if x.Text != "" {
		return x.Text
	}
	return strconv.FormatInt(x.Value, 10)
}

func positionalText(x *Positional) string {
	if x.Count {
		return "$#"
	}
	return "$" + strconv.Itoa(x.N)
}
