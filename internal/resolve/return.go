package resolve

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// armReturns adds the instructions that end a call. Where they are not all found, what is missed is counted, and the reason
// says so; where none is found the function's returns are refused.
func (r *resolver) armReturns(obj *object, fn *symbol.Function, code []byte, p *placement) {
	choices, err := site.ChooseReturns(code, fn.Lang, returnInfo(obj, fn))
	var partial *site.Partial
	if err != nil && (!errors.As(err, &partial) || len(choices) == 0) {
		p.refused = err.Error()
		return
	}
	if partial != nil {
		p.why += "; " + partial.Error()
	}
	for _, c := range choices {
		s, err := armed(obj, fn, c)
		if err != nil {
			p.refused, p.returns = err.Error(), nil
			return
		}
		p.returns = append(p.returns, s)
	}
}

// returnInfo is what the search for returns asks beyond a function's bytes.
func returnInfo(obj *object, fn *symbol.Function) site.FnInfo {
	info := site.FnInfo{
		Addr: uint64(fn.Addr),
		Callee: func(rel int64) string {
			if callee, off, ok := obj.file.At(fn.Addr + symbol.Addr(rel)); ok && off == 0 {
				return callee.Name
			}
			return ""
		},
		Read:       func(rel int64, buf []byte) bool { return obj.file.ReadAt(fn.Addr+symbol.Addr(rel), buf) == nil },
		Cold:       coldParts(obj, fn),
		Part:       func(rel int64) (site.Part, bool) { return partAt(obj, fn, rel) },
		Conditions: true, // programs look at the flags
	}
	if among(tidies, fn) {
		info.Soon = func(rel int64) bool {
			callee, off, ok := obj.file.Enclosing(fn.Addr + symbol.Addr(rel))
			return ok && off == 0 && callee.Local
		}
	}
	return info
}

// partAt gives the code that holds a place relative to a function.
func partAt(obj *object, fn *symbol.Function, rel int64) (site.Part, bool) {
	other, _, ok := obj.file.Enclosing(fn.Addr + symbol.Addr(rel))
	if !ok {
		return site.Part{}, false
	}
	code, err := obj.file.Code(other)
	start := int64(other.Addr) - int64(fn.Addr)
	return site.Part{Start: start, Code: code}, err == nil && rel < start+int64(len(code))
}

// uncalled is why returns of _start and its like are not seen.
const uncalled = "nothing calls it: there is no return address on its stack"

// returnWay decides how the returns of a function are seen, and why.
func (r *resolver) returnWay(m match) (plan.ReturnWay, string) {
	switch {
	case m.fn.Addr == m.obj.file.EntryPoint() || among(notCalled, m.fn):
		return plan.NoReturn, uncalled
	case m.fn.Lang == event.LangGo:
		return plan.Sites, "Go moves stacks: a replaced return address would end the program"
	case r.scope.Return == ReturnSites:
		return plan.Sites, "asked for with --return=sites"
	case among(returnsTwice, m.fn):
		return plan.Sites, "it keeps or reads return addresses: a replaced one would be used after the call is over"
	case slices.ContainsFunc(names(m.fn), unwinder):
		return plan.Sites, "it walks the stack and would meet a replaced return address"
	case r.scope.Return == ReturnTrampoline && r.scope.Unsafe:
		return plan.Trampoline, "asked for with --return=trampoline and --unsafe"
	case m.obj.file.Unwinds():
		return plan.Sites, fmt.Sprintf("%s code unwinds: an exception through a replaced return address would abort the program", languageName(m.fn.Lang))
	case among(callsBack, m.fn):
		return plan.Sites, "it calls back, and an exception may leave through it"
	}
	if why := r.hazard(m); why != "" {
		return plan.Sites, why
	}
	switch {
	case r.scope.Return == ReturnTrampoline:
		return plan.Trampoline, "asked for with --return=trampoline"
	case r.recursive(m) && r.endsSeen(m):
		return plan.Sites, "it calls itself, and the kernel replaces 64 return addresses of a thread at most"
	}
	return plan.Trampoline, "the kernel's trampoline"
}

// endsSeen reports whether every end of a call has a site that knows the result: a tail jump does not.
func (r *resolver) endsSeen(m match) bool {
	code, err := m.obj.file.Code(m.fn)
	if err != nil {
		return false
	}
	choices, err := site.ChooseReturns(code, m.fn.Lang, returnInfo(m.obj, m.fn))
	return err == nil && len(choices) > 0 && !slices.ContainsFunc(choices, func(c site.Choice) bool { return c.Role == site.TailJump })
}

func languageName(l event.Language) string {
	switch l {
	case event.LangRust:
		return "Rust"
	case event.LangCPP:
		return "C++"
	}
	return "this object's"
}
