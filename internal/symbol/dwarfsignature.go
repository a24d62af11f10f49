package symbol

import (
	"cmp"
	"debug/dwarf"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// Signature gives a function's parameters and results from the debug information, nil without error when it says nothing
// of this function. The error is about a damaged unit.
func (f *File) Signature(fn *Function) (*ctype.Signature, error) {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil, nil
	}
	e, err := d.functionAt(fn)
	if e.abbrev == nil {
		return nil, err
	}
	d.askFor(e.unit)
	return f.dwarf.types.signature(e, fn), nil
}

// functionAt finds the entry of the function that begins at fn's address. Where a linker folded several into one, it is
// the one with fn's name.
func (d *debugInfo) functionAt(fn *Function) (entryAt, error) {
	var found entryAt
	var problem error
	for _, u := range d.unitsAt(uint64(fn.Addr)) {
		u = u.full()
		index := u.indexOf()
		for _, candidate := range index.at(uint64(fn.Addr)) {
			e, ok := u.entry(candidate.at)
			if !ok || e.abbrev == nil {
				continue
			}
			if found.abbrev == nil || carriesName(e, fn) {
				found = e
			}
		}
		if index.problem != nil {
			problem = index.problem
		}
	}
	if found.abbrev == nil && problem == nil {
		problem = d.problem
	}
	return found, problem
}

func carriesName(e entryAt, fn *Function) bool {
	chain := e.origin()
	for _, attr := range []dwarf.Attr{dwarf.AttrLinkageName, attrMIPSLinkageName, dwarf.AttrName} {
		name := inheritedText(chain, attr)
		if name != "" && (name == fn.Name || slices.Contains(fn.Aliases, name)) {
			return true
		}
	}
	return false
}

// signature reads the entry of a function with code.
func (r *typeReader) signature(e entryAt, fn *Function) *ctype.Signature {
	if e.unit.language() == event.LangAsm {
		return nil
	}
	chain := e.origin()
	sig, params := r.callable(chain)
	if len(sig.Params) == 0 && len(sig.Results) == 0 && (sig.Lang == event.LangGo && e.unit.inAssembly(chain[len(chain)-1]) || e.unit.partOf() != "") {
		return nil
	}
	r.finish()
	sig.Convention = convention(e, sig.Lang, fn)
	if sig.Lang == event.LangGo {
		sig.Dictionary = hasDictionary(fn.Name)
		markReceiver(sig, fn.Name)
	}
	r.locate(sig, params, chain, fn)
	return sig
}

// convention: Rust's own functions have mangled names; what it exports for C keeps its name.
func convention(e entryAt, language event.Language, fn *Function) ctype.Convention {
	switch language {
	case event.LangGo:
		if strings.Contains(e.unit.producer(), "regabi") && !strings.HasSuffix(fn.Name, ".abi0") {
			return ctype.GoRegs
		}
		return ctype.GoStack
	case event.LangRust:
		if languageOfName(fn.Name) == event.LangRust {
			return ctype.RustABI
		}
	}
	return ctype.SysV
}

// callable reads parameters and results, with the entries of the former. The chain leads from the function's instance to
// its declaration; parameters are those of the first entry that has any.
func (r *typeReader) callable(chain []entryAt) (*ctype.Signature, []entryAt) {
	sig := &ctype.Signature{Lang: chain[0].unit.language(), Source: "dwarf"}
	var params []entryAt
	for _, e := range chain {
		params = r.parameters(sig, e)
		if len(params) > 0 || len(sig.Results) > 0 || sig.Variadic {
			break
		}
	}
	if _, e, ok := inherited(chain, dwarf.AttrType); ok && sig.Lang != event.LangGo {
		sig.Results = []ctype.Param{{Type: r.typeOf(e, byValue)}}
	}
	return sig, params
}

const maxParameters = 512

// tagParameterPack holds the parameters that a pack of a C++ template was replaced by: DW_TAG_GNU_formal_parameter_pack.
const tagParameterPack dwarf.Tag = 0x4108

func (r *typeReader) parameters(sig *ctype.Signature, e entryAt) (params []entryAt) {
	var all []entryAt
	e.children(func(c entryAt) bool {
		switch c.tag {
		case dwarf.TagFormalParameter:
			all = append(all, c)
		case tagParameterPack:
			c.children(func(member entryAt) bool {
				if member.tag == dwarf.TagFormalParameter {
					all = append(all, member)
				}
				return len(all) < maxParameters
			})
		case dwarf.TagUnspecifiedParameters:
			sig.Variadic = true
		}
		return len(all) < maxParameters
	})
	inSourceOrder(all)
	for _, c := range all {
		param := r.parameter(c)
		switch v, _, ok := inherited(c.origin(), dwarf.AttrVarParam); {
		case sig.Lang == event.LangGo && (param.Name == goDictionary || listed(sig, param.Name)):
		case ok && v.flag():
			sig.Results = append(sig.Results, param)
		default:
			sig.Params = append(sig.Params, param)
			params = append(params, c)
		}
	}
	return params
}

// inSourceOrder puts the parameters of a clone in the order of the function it was made of: gcc lists those it removed last.
func inSourceOrder(params []entryAt) {
	origins := map[uint64]uint64{}
	for _, c := range params {
		o, ok := c.follow(dwarf.AttrAbstractOrigin)
		if !ok {
			return
		}
		origins[c.at] = o.at
	}
	slices.SortStableFunc(params, func(a, b entryAt) int { return cmp.Compare(origins[a.at], origins[b.at]) })
}

// goDictionary is how unoptimised code names the pointer that ctype.Signature.Dictionary stands for.
const goDictionary = ".dict"

// listed: Go's compiler names a result twice when a deferred function may change it: the variable, and where it is returned.
func listed(sig *ctype.Signature, name string) bool {
	if name == "" || name == "_" {
		return false
	}
	same := func(p ctype.Param) bool { return p.Name == name }
	return slices.ContainsFunc(sig.Params, same) || slices.ContainsFunc(sig.Results, same)
}

func (r *typeReader) parameter(c entryAt) ctype.Param {
	chain := c.origin()
	param := ctype.Param{Name: inheritedText(chain, dwarf.AttrName)}
	if _, e, ok := inherited(chain, dwarf.AttrType); ok {
		param.Type = r.typeOf(e, byValue)
	} else {
		param.Type = &ctype.Type{Kind: ctype.Opaque, Lang: c.unit.language(), Size: -1}
	}
	switch c.unit.language() {
	case event.LangCPP:
		param.Receiver = param.Name == "this" && inheritedFlag(chain, dwarf.AttrArtificial)
	case event.LangRust:
		param.Receiver = param.Name == "self"
	}
	return param
}

// markReceiver: a Go method's name says that its first parameter is the receiver: main.(*Store).Put, main.Store.Get. Of a
// method value (-fm) it is in the closure.
func markReceiver(sig *ctype.Signature, name string) {
	dot := strings.LastIndexByte(name, '.')
	if len(sig.Params) == 0 || dot <= 0 || strings.HasSuffix(name, "-fm") {
		return
	}
	sig.Params[0].Receiver = name[dot-1] == ')' || sig.Params[0].Type.Name == name[:dot]
}
