package script

import (
	"slices"
	"strings"
)

// Near gives at most n of the candidates, those most like name first: what was meant by a name that matched nothing.
// Likeness is the number of single-character edits, a swap of neighbours being one; candidates that differ in more than
// a third of their letters are left out, unless one begins with the other. Repeated candidates are given once.
func Near(name string, candidates []string, n int) []string {
	type scored struct {
		name  string
		edits int
	}
	if len(name) > 200 || name == "" {
		return nil
	}
	var found []scored
	lower := strings.ToLower(name)
	limit := max(1, (len(name)+1)/3)
	for _, c := range candidates {
		if len(c) > 200 || c == "" {
			continue
		}
		other := strings.ToLower(c)
		edits := limit + 1
		if abs(len(other)-len(lower)) <= limit {
			edits = distance(lower, other)
		}
		if edits > limit && len(lower) >= 3 && (strings.HasPrefix(other, lower) || strings.HasPrefix(lower, other) && len(other) >= 3) {
			edits = limit
		}
		if edits <= limit {
			found = append(found, scored{c, edits})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		if a.edits != b.edits {
			return a.edits - b.edits
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, f := range found {
		if len(out) < n && !slices.Contains(out, f.name) {
			out = append(out, f.name)
		}
	}
	return out
}

// distance is the optimal string alignment distance of two words.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }
