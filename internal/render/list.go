package render

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// List writes what can be probed, in the given order. JSON ends with empty stats, as every stream does.
func List(f Format, w io.Writer, functions []event.Function, o Options) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	var err error
	switch f {
	case Text:
		err = listText(buffered, functions, o)
	case JSON:
		err = listJSON(buffered, functions)
	case CSV:
		err = listCSV(buffered, functions)
	default:
		err = fmt.Errorf("format %q: not one of text, json, csv", f)
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

func listJSON(w io.Writer, functions []event.Function) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, f := range functions {
		if err := enc.Encode(newFunction(f)); err != nil {
			return err
		}
	}
	return enc.Encode(newStats(event.Stats{}))
}

func listCSV(w io.Writer, functions []event.Function) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"target", "function", "provider", "linkage", "signature", "address", "size", "file", "line", "language", "cost", "ifunc", "inlined", "version"}}
	for _, f := range functions {
		rows = append(rows, cleanAll([]string{f.Target, f.Name, f.Provider, f.Linkage, f.Signature, address(f.Address), strconv.FormatUint(f.Size, 10),
			f.File, strconv.Itoa(f.Line), f.Language.String(), f.Cost, strconv.FormatBool(f.IFunc), strconv.Itoa(f.Inlined), f.Version}))
	}
	return c.WriteAll(rows)
}

// listText leaves out the columns that nothing fills.
func listText(w io.Writer, functions []event.Function, o Options) error {
	target := func(f event.Function) string { return f.Target }
	if len(functions) > 0 && !slices.ContainsFunc(functions, func(f event.Function) bool { return f.Target != functions[0].Target }) {
		target = func(event.Function) string { return "" }
	}
	all := []struct {
		column
		cell func(event.Function) string
	}{
		{column{name: "ADDRESS", right: true}, func(f event.Function) string { return address(f.Address) }},
		{column{name: "SIZE", right: true}, func(f event.Function) string { return nonZero(int(f.Size)) }},
		{column{name: "COST"}, func(f event.Function) string { return f.Cost }},
		{column{name: "LANGUAGE"}, func(f event.Function) string { return f.Language.String() }},
		{column{name: "TARGET"}, target},
		{column{name: "FUNCTION", paint: bold}, listName},
		{column{name: "SOURCE", paint: faint}, source},
	}
	g := &grid{rows: make([][]string, len(functions))}
	for _, c := range all {
		cells, filled := make([]string, len(functions)), false
		for i, f := range functions {
			cells[i] = clean(c.cell(f))
			filled = filled || cells[i] != ""
		}
		if !filled {
			continue
		}
		g.columns = append(g.columns, c.column)
		for i := range functions {
			g.rows[i] = append(g.rows[i], cells[i])
		}
	}
	if len(functions) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(g.lines(o), "\n")+"\n")
	return err
}

// Unread says which files have the types of functions and are not read.
func Unread(functions []event.Function) []string {
	var files, out []string
	of := map[string]int{}
	for _, f := range functions {
		if f.SplitTypes == "" {
			continue
		}
		file := f.SplitTypes + ", which " + f.SplitProblem
		if of[file] == 0 {
			files = append(files, file)
		}
		of[file]++
	}
	const most = 3
	for i, file := range files {
		if i == most {
			out = append(out, fmt.Sprintf("and so it is with %s more", count(uint64(len(files)-most), "file")))
			break
		}
		out = append(out, fmt.Sprintf("the types of %s are in %s: compiled with -gsplit-dwarf", count(uint64(of[file]), "function"), clean(file)))
	}
	return out
}

func nonZero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// listName is the signature, which holds the name, or the name; and what is special about the function.
func listName(f event.Function) string {
	name := f.Name
	switch {
	case f.Provider != "":
		name = f.Provider + ":" + f.Name
		if f.Signature != "" {
			name += " " + f.Signature
		}
	case f.Signature != "":
		name = f.Signature
	}
	if strings.HasPrefix(f.Version, "@") && !strings.HasPrefix(f.Version, "@@") {
		name += " [" + f.Version + "]"
	}
	if f.IFunc {
		name += " [ifunc]"
	}
	if f.Inlined > 0 {
		name += fmt.Sprintf(" [inlined %s]", times(f.Inlined))
	}
	return name
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func source(f event.Function) string {
	if f.File == "" || f.Line == 0 {
		return f.File
	}
	return f.File + ":" + strconv.Itoa(f.Line)
}
