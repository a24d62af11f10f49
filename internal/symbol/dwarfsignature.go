package symbol

import (
	"debug/dwarf"
	"fmt"
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
	return f.dwarf.types.signature(e, fn), nil
}

// functionAt finds the entry of the function that begins at fn's address. Where a linker folded several into one, it is
// the one with fn's name.
func (d *debugInfo) functionAt(fn *Function) (entryAt, error) {
	var found entryAt
	var problem error
	for _, u := range d.unitsAt(uint64(fn.Addr)) {
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
	sig := r.callable(chain)
	if len(sig.Params) == 0 && len(sig.Results) == 0 && (sig.Lang == event.LangGo && e.unit.inAssembly(chain[len(chain)-1]) || e.unit.split() != "") {
		return nil
	}
	r.finish()
	sig.Convention = convention(e, sig.Lang, fn)
	if sig.Lang == event.LangGo {
		sig.Dictionary = hasDictionary(fn.Name)
		markReceiver(sig, fn.Name)
	}
	r.locate(sig, e, chain, fn)
	return sig
}

// convention: Rust's own functions have mangled names; what it exports for C keeps its name.
func convention(e entryAt, language event.Language, fn *Function) ctype.Convention {
	switch language {
	case event.LangGo:
		if strings.Contains(e.unit.producer(), "regabi") {
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

// callable reads parameters and results. The chain leads from the function's instance to its declaration; parameters
// are those of the first entry that has any.
func (r *typeReader) callable(chain []entryAt) *ctype.Signature {
	sig := &ctype.Signature{Lang: chain[0].unit.language(), Source: "dwarf"}
	for _, e := range chain {
		r.parameters(sig, e)
		if len(sig.Params) > 0 || sig.Variadic {
			break
		}
	}
	if sig.Lang == event.LangGo {
		return sig
	}
	if _, e, ok := inherited(chain, dwarf.AttrType); ok {
		sig.Results = []ctype.Param{{Type: r.typeOf(e, byValue)}}
	}
	return sig
}

const maxParameters = 512

func (r *typeReader) parameters(sig *ctype.Signature, e entryAt) {
	e.children(func(c entryAt) bool {
		switch c.tag {
		case dwarf.TagFormalParameter:
			param := r.parameter(c)
			switch v, _, ok := inherited(c.origin(), dwarf.AttrVarParam); {
			case sig.Lang == event.LangGo && (param.Name == goDictionary || listed(sig, param.Name)):
			case ok && v.flag():
				sig.Results = append(sig.Results, param)
			default:
				sig.Params = append(sig.Params, param)
			}
		case dwarf.TagUnspecifiedParameters:
			sig.Variadic = true
		}
		return len(sig.Params)+len(sig.Results) < maxParameters
	})
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

// locate asks the debug information where each parameter is at the entry, and notes what differs from the convention:
// compilers drop, reorder and split parameters of functions that nobody else calls.
func (r *typeReader) locate(sig *ctype.Signature, e entryAt, chain []entryAt, fn *Function) {
	entry, ok := e.unit.entryAddress(e)
	if !ok || len(sig.Params) == 0 {
		return
	}
	changed := r.rewritten(chain, fn)
	local := !inheritedFlag(chain, dwarf.AttrExternal)
	cfa := frameBaseIsCFA(e)
	placement := ctype.Place(sig)
	i := 0
	e.children(func(c entryAt) bool {
		if c.tag != dwarf.TagFormalParameter {
			return true
		}
		if v, _, ok := inherited(c.origin(), dwarf.AttrVarParam); ok && v.flag() || c.text(dwarf.AttrName) == goDictionary {
			return true
		}
		if i >= len(sig.Params) {
			return false
		}
		param := &sig.Params[i]
		v := verdict{changed, local, sig.Lang == event.LangGo}
		param.Where = settle(c.whereAt(entry, param.Type.Sizeof(), cfa), placement.Params[i], param.Type.Sizeof(), v)
		i++
		return true
	})
}

// verdict is how much the calling convention can be relied on.
type verdict struct {
	changed bool // the compiler says that it did not keep to it
	local   bool // it may not have, as all callers are known
	dense   bool // pieces are said without the padding between them: Go's compiler
}

// settle compares what debug information says with what the convention says; nil means that the latter holds.
func settle(said located, expected []ctype.Piece, size int64, v verdict) []ctype.Piece {
	if len(expected) == 0 {
		return nil // an empty class
	}
	if !said.known {
		if v.changed {
			return nowhere(max(size, 0))
		}
		return nil
	}
	agrees, somewhere := true, false
	for _, p := range said.pieces {
		if p.Kind == ctype.Nowhere {
			continue
		}
		somewhere = true
		agrees = agrees && slices.ContainsFunc(expected, func(q ctype.Piece) bool {
			return samePlace(p, q) && (p.At == q.At || v.dense)
		})
	}
	switch {
	case !somewhere && !v.changed && !v.local:
		return nil // a value that the function happens not to look at
	case somewhere && agrees && !v.changed:
		return nil
	}
	if v.dense && len(said.pieces) > 1 {
		return nil
	}
	return said.pieces
}

// samePlace compares without sizes: debug information gives a whole value one size, and the ABI cuts it.
func samePlace(p, q ctype.Piece) bool {
	return p.Kind == q.Kind && (p.Kind == ctype.InX87 || p.Reg == q.Reg && p.Offset == q.Offset)
}

// rewritten reports whether the compiler marked a function as having another interface than its source: clones of gcc,
// and DW_CC_nocall of LLVM.
func (r *typeReader) rewritten(chain []entryAt, fn *Function) bool {
	if v, _, ok := inherited(chain[:1], dwarf.AttrCalling); ok && v.n == callingNocall {
		return true
	}
	_, suffix := r.file.Clone(fn)
	return strings.Contains(suffix, ".isra") || strings.Contains(suffix, ".constprop") || strings.Contains(suffix, ".part")
}

const callingNocall = 3

func frameBaseIsCFA(e entryAt) bool {
	v, ok := e.get(dwarf.AttrFrameBase)
	return ok && len(v.data) == 1 && v.data[0] == opCallFrameCFA
}

// TypeNamed finds the definition of a type by the name that its author gave it: "struct stat", "stat", "ns::Box<int>",
// "main.Store". nil without error when there is none.
func (f *File) TypeNamed(name string) (*ctype.Type, error) {
	d, release := f.debugging()
	defer release()
	if d == nil || name == "" {
		return nil, nil
	}
	r := f.dwarf.types
	if t, ok := r.names[name]; ok {
		return t, nil
	}
	e, problem := d.typeNamed(name)
	if e.abbrev == nil {
		if problem != nil {
			return nil, fmt.Errorf("type %s: %w", name, problem)
		}
		r.names[name] = nil
		return nil, nil
	}
	t := r.get(e, byValue)
	r.finish()
	r.names[name] = t
	return t, nil
}
