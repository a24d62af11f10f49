package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/script"
)

// completeProbe offers what a probe can go on as. A target is completed up to its colon, and then goes on with functions,
// so no blank is added behind it.
func (w world) completeProbe(f *flags) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		list := w.candidates(text, f.pids)
		if !hasTarget(text) {
			list = append(list, paths(text)...)
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return list, directive
	}
}

// hasTarget reports whether text holds the colon behind a target.
func hasTarget(text string) bool {
	pt, err := script.ParsePoint(text+"*", script.Uprobe)
	return err == nil && (pt.Target != "" || strings.HasPrefix(text, ":"))
}

// paths are the files and folders that text begins; a folder ends with a slash, a file with the colon of a target.
func paths(text string) []string {
	if !strings.Contains(text, "/") && text != "." && text != ".." {
		return nil
	}
	folder, begin := filepath.Split(text)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begin) || strings.HasPrefix(e.Name(), ".") && begin == "" {
			continue
		}
		info, err := os.Stat(filepath.Join(folder, e.Name()))
		switch {
		case err != nil:
		case info.IsDir():
			out = append(out, folder+e.Name()+"/")
		case info.Mode().IsRegular():
			out = append(out, folder+e.Name()+":")
		}
	}
	return out
}
