package render

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// Profile writes where the time went: a row per function, and as text the call tree below it. Options.Top bounds the
// functions and the callees of each function. It goes between a stream's Flush and End.
func Profile(f Format, w io.Writer, root *agg.Node, o Options) error {
	rows := root.Profiles()
	if o.Top > 0 && len(rows) > o.Top {
		rows = rows[:o.Top]
	}
	buffered := bufio.NewWriter(w)
	var err error
	switch f {
	case Text:
		err = profileText(buffered, rows, root, o)
	case JSON:
		err = profileJSON(buffered, rows)
	case CSV:
		err = profileCSV(buffered, rows)
	default:
		err = fmt.Errorf("format %q: not one of text, json, csv", f)
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

func profileJSON(w io.Writer, rows []agg.Profile) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, row := range rows {
		err := enc.Encode(struct {
			Type     string      `json:"type"`
			Target   string      `json:"target"`
			Function string      `json:"function"`
			Calls    event.Value `json:"calls"`
			Self     event.Value `json:"self_ns"`
			Total    event.Value `json:"total_ns"`
		}{"profile", row.Function.Target, row.Function.Function, event.Uint(row.Calls), event.Int(int64(row.Self)), event.Int(int64(row.Total))})
		if err != nil {
			return err
		}
	}
	return nil
}

func profileCSV(w io.Writer, rows []agg.Profile) error {
	c := csv.NewWriter(w)
	all := [][]string{{"target", "function", "calls", "self_ns", "total_ns"}}
	for _, row := range rows {
		all = append(all, cleanAll([]string{row.Function.Target, row.Function.Function, strconv.FormatUint(row.Calls, 10),
			strconv.FormatInt(int64(row.Self), 10), strconv.FormatInt(int64(row.Total), 10)}))
	}
	return c.WriteAll(all)
}

func profileText(w io.Writer, rows []agg.Profile, root *agg.Node, o Options) error {
	if len(rows) == 0 {
		return nil
	}
	columns := []column{{name: "SELF", right: true}, {name: "TOTAL", right: true}, {name: "CALLS", right: true}, {name: "FUNCTION", paint: bold}}
	flat := &grid{columns: columns}
	for _, row := range rows {
		flat.add(Duration(row.Self), Duration(row.Total), strconv.FormatUint(row.Calls, 10), clean(row.Function.Function))
	}
	tree := &grid{columns: append([]column{}, columns...)}
	tree.columns[3].name = "CALL TREE"
	addTree(tree, root, 0, o.Top)
	lines := append(append(flat.lines(o), ""), tree.lines(o)...)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// addTree adds the callees of a node, each below its caller and further in.
func addTree(g *grid, n *agg.Node, depth, top int) {
	for i, child := range n.Children {
		if top > 0 && i == top {
			g.add("", "", "", strings.Repeat("  ", depth)+fmt.Sprintf("(%d more)", len(n.Children)-i))
			return
		}
		g.add(Duration(child.Self), Duration(child.Total), strconv.FormatUint(child.Calls, 10),
			strings.Repeat("  ", min(depth, maxIndent))+clean(child.Function.Function))
		addTree(g, child, depth+1, top)
	}
}
