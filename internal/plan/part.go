package plan

import "slices"

// Part is the plan with the sites of some functions, nil if that is none. Probes, maps and emissions keep their places, so records and cells of
// parts read alike.
func (p *Plan) Part(has func(function int) bool) *Plan {
	part := *p
	part.Probes = slices.Clone(p.Probes)
	sites := 0
	for i := range part.Probes {
		probe := &part.Probes[i]
		probe.Sites = slices.DeleteFunc(slices.Clone(probe.Sites), func(s Site) bool { return !has(s.Function) })
		sites += len(probe.Sites)
	}
	if sites == 0 {
		return nil
	}
	return &part
}

// Without is the plan without the functions of which refusals name a site, nil if no others have any.
func (p *Plan) Without(refused []Refusal) *Plan {
	out := map[int]bool{}
	for _, r := range refused {
		if r.Site != nil {
			out[r.Site.Function] = true
		}
	}
	return p.Part(func(fn int) bool { return !out[fn] })
}
