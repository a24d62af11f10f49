package symbol

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// Near offers up to n names for one that was not found, best first: the same name in another case, place or clone, then names few
// letters away, then names that contain it.
func (f *File) Near(name string, n int) []string {
	f.Functions()
	wanted := lastPart(withoutParameters(name))
	if wanted == "" || n <= 0 {
		return nil
	}
	scores := make([]int, len(f.functions))
	f.each(func(i int) { scores[i] = f.distance(i, wanted) })
	var order []int
	for i, score := range scores {
		if score < farAway {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		one, other := f.nearName(a), f.nearName(b)
		return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(shared(other, name), shared(one, name)), cmp.Compare(len(one), len(other)))
	})
	var names []string
	for _, i := range order {
		if len(names) == n {
			break
		}
		if shown := f.nearName(i); !slices.Contains(names, shown) {
			names = append(names, shown)
		}
	}
	return names
}

// nearName is how an offered name is written: without parameters, such that Find takes it.
func (f *File) nearName(i int) string {
	forms := f.spelling(i).forms
	if f.functions[i].Lang == event.LangCPP && len(forms) > 1 {
		return forms[1]
	}
	return forms[0]
}

// shared counts the bytes that two names begin with.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Scores of Near: 0 is the same but for case, place, underscores or clone; up to maxEdits is an edit distance.
const (
	maxEdits  = 3
	contains  = maxEdits + 1
	farAway   = contains + 1
	maxNear   = 256 // longer names are compared by containment only
	minInside = 3   // shorter texts are inside everything
)

// distance judges function i and its aliases against the last part of the name asked for.
func (f *File) distance(i int, wanted string) int {
	fn := &f.functions[i]
	best := score(f.spelling(i).forms, fn.Lang, wanted)
	for _, alias := range fn.Aliases {
		alias, _, _ = splitVersion(alias)
		best = min(best, score(spell(alias, languageOfName(alias)).forms, fn.Lang, wanted))
	}
	return best
}

// score judges the shortest form of a name.
func score(forms []string, language event.Language, wanted string) int {
	form := forms[len(forms)-1]
	if language == event.LangC {
		if suffix := cloneSuffix(form); suffix != "" && !cold(suffix) {
			form = strings.TrimSuffix(form, suffix)
		}
	}
	a, b := strings.ToLower(strings.Trim(wanted, "_")), strings.ToLower(strings.Trim(lastPart(withoutParameters(form)), "_"))
	if a == b {
		return 0
	}
	limit := min(maxEdits, (len(a)+1)/3)
	if d := edits(a, b, limit); d <= limit {
		return d
	}
	if len(a) >= minInside && strings.Contains(b, a) {
		return contains
	}
	return farAway
}

// withoutParameters cuts a name before its parameter list; Go's (*T) is none.
func withoutParameters(name string) string {
	for i := 1; i < len(name); i++ {
		if name[i] == '(' && identifier(name[i-1]) {
			return name[:i]
		}
	}
	return name
}

// lastPart gives what follows the last :: or . of a qualified name.
func lastPart(name string) string {
	if at := strings.LastIndex(name, "::"); at >= 0 && at+2 < len(name) {
		return name[at+2:]
	}
	if at := strings.LastIndexByte(name, '.'); at > 0 && at+1 < len(name) {
		return name[at+1:]
	}
	return name
}

// edits counts insertions, deletions, replacements and swaps of neighbours between two names; more than limit is not counted out.
func edits(a, b string, limit int) int {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > limit || len(b) > maxNear {
		return limit + 1
	}
	var rows [3][maxNear + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		now, above, twice := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		now[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(above[j]+1, now[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], twice[j-2]+1)
			}
			least = min(least, now[j])
		}
		if least > limit {
			return limit + 1
		}
	}
	return rows[len(a)%3][len(b)]
}
