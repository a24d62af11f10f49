package render

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// column is the head of a table's column.
type column struct {
	name  string
	right bool // numbers
	paint paint
	spare int // left out where there is no room, the greatest first; 0 never
	least int // of a text column: where cutting it stops, 0 at narrowest
}

// grid is a table of text: one cell per column in every row.
type grid struct {
	columns []column
	rows    [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// append adds a column with its cell of each row.
func (g *grid) append(c column, cells []string) {
	g.columns = append(g.columns, c)
	for i := range g.rows {
		g.rows[i] = append(g.rows[i], cells[i])
	}
}

// narrow leaves out what can be spared until the rest fits into the width, text columns as narrow as they get.
func (g *grid) narrow(width int) {
	for width > 0 {
		total, worst := -2, -1
		for i, w := range g.widths() {
			if !g.columns[i].right {
				w = min(w, g.columns[i].stop())
			}
			total += w + 2
			if s := g.columns[i].spare; s > 0 && (worst < 0 || s > g.columns[worst].spare) {
				worst = i
			}
		}
		if total <= width || worst < 0 {
			return
		}
		g.columns = slices.Delete(g.columns, worst, worst+1)
		for i := range g.rows {
			g.rows[i] = slices.Delete(g.rows[i], worst, worst+1)
		}
	}
}

// lines lays the grid out: two blanks between columns, the widest text column cut until a row fits into the width.
func (g *grid) lines(o Options) []string {
	g.narrow(o.Width)
	widths := g.widths()
	g.fit(widths, o.Width)
	lines := make([]string, 0, 1+len(g.rows))
	head := make([]string, len(g.columns))
	for i, c := range g.columns {
		head[i] = c.name
	}
	lines = append(lines, g.line(head, widths, func(column) paint { return faint }, o))
	for _, row := range g.rows {
		lines = append(lines, g.line(row, widths, func(c column) paint { return c.paint }, o))
	}
	return lines
}

func (g *grid) widths() []int {
	widths := make([]int, len(g.columns))
	for i, c := range g.columns {
		widths[i] = utf8.RuneCountInString(c.name)
		for _, row := range g.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	return widths
}

// narrowest is where cutting a text column stops: better a long line than a name nobody can read.
const narrowest = 16

func (c column) stop() int { return max(c.least, narrowest) }

func (g *grid) fit(widths []int, width int) {
	if width == 0 {
		return
	}
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > width {
		widest := -1
		for i, c := range g.columns {
			if !c.right && widths[i] > c.stop() && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		total--
	}
}

func (g *grid) line(cells []string, widths []int, paints func(column) paint, o Options) string {
	var b strings.Builder
	for i, c := range g.columns {
		if i > 0 {
			b.WriteString("  ")
		}
		text := shorten(cells[i], widths[i])
		blank := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if c.right {
			b.WriteString(blank)
		}
		b.WriteString(o.in(paints(c), text))
		if !c.right && i < len(g.columns)-1 {
			b.WriteString(blank)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// shorten cuts out of the middle: both ends of a name tell names apart.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	left := (width - 1) / 2
	right := width - 1 - left
	return string(runes[:left]) + "…" + string(runes[len(runes)-right:])
}
