package script

import (
	"fmt"
	"strconv"
	"strings"
)

// Bind gives the script with the positional parameters in its probe points replaced: uprobe:$1:$2 names the target and
// the function that the first two of params name. A function may then be anything that the command line takes: a glob,
// a /regexp/, an address. Positional parameters in expressions stay. Its error is a *Diagnostic.
func (s *Script) Bind(params []string) (*Script, error) {
	bound := *s
	bound.Probes = make([]*Probe, len(s.Probes))
	for i, p := range s.Probes {
		probe := *p
		probe.Points = make([]Point, len(p.Points))
		for j, pt := range p.Points {
			read, err := pt.bind(params)
			if err != nil {
				return nil, &Diagnostic{Code: BadProbe, Message: err.Error(), Text: s.Text, Span: pt.Span}
			}
			probe.Points[j] = read
		}
		bound.Probes[i] = &probe
	}
	return &bound, nil
}

func (pt Point) bind(params []string) (Point, error) {
	target, provider, function := pt.Target, pt.Provider, pt.Function
	for _, part := range [...]*string{&target, &provider, &function} {
		n, ok := positional(*part)
		if !ok {
			continue
		}
		if n > len(params) {
			return pt, fmt.Errorf("parameter $%d is missing", n)
		}
		*part = params[n-1]
	}
	read := pt
	read.Target, read.Provider = target, provider
	if function == pt.Function {
		return read, nil
	}
	if pt.Kind == USDT {
		read.Function = function
		return read, nil
	}
	given, err := ParsePoint(":"+function, pt.Kind)
	if err != nil {
		return pt, fmt.Errorf("parameter %s: %w", pt.Function, err)
	}
	given.Target = target
	return given.placedAs(pt), nil
}

// positional reads $1, $2, ...
func positional(text string) (int, bool) {
	digits, ok := strings.CutPrefix(text, "$")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0
}
