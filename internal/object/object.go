// Package object reads compiled eBPF objects, such as clang, bpf2go and Aya make.
//
// In: the bytes of an object, what the user says about it. Out: its programs and where each wants to be armed, its maps as tables, and
// a decoder of what its programs send and keep. Invariant: a value is decoded by a type that the object has or the user named; what was
// only deduced is marked as a guess, and what is not known stays bytes. It makes no system call and must not know how programs are
// loaded or attached.
package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// Codes of diagnostics about objects.
const (
	BadObject      script.Code = "bad-object"      // no ELF file of eBPF programs
	ForeignProgram script.Code = "foreign-program" // a program that is not for user-space probes
	NoPlace        script.Code = "no-place"        // nothing says where a program belongs
	NoProgram      script.Code = "no-such-program" // the object has no program of this name
	NoVariable     script.Code = "no-variable"
	BadValue       script.Code = "bad-value"
	NoMap          script.Code = "no-map"
	NoType         script.Code = "no-type"
)

// maxSize bounds an object file; those of real tools have some hundred KiB.
const maxSize = 64 << 20

// Object is one object file, read and not loaded.
type Object struct {
	Name     string
	Programs []Program
	Tables   []Table
	Sources  []Source
	// Spec is what an engine loads. Its maps and programs are the object's own.
	Spec *ebpf.CollectionSpec
	// debug are the types of its debug information, which has more of them than BTF.
	debug *symbol.Types
}

// Head is how many bytes of a file tell.
const Head = 20

// Is reports whether a file begins like an eBPF object.
func Is(head []byte) bool {
	const machineAt = 18
	if len(head) < Head || string(head[:4]) != elf.ELFMAG {
		return false
	}
	low, high := head[machineAt], head[machineAt+1]
	return low == byte(elf.EM_BPF) && high == 0 || high == byte(elf.EM_BPF) && low == 0 // of either byte order
}

// Open reads an object file.
func Open(path string) (*Object, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &script.Diagnostic{Code: script.NoFile, Message: "no file " + path}
	}
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	if info.Size() > maxSize {
		return nil, bad(path, "it has %d MiB, more than %d", info.Size()>>20, maxSize>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	return Read(path, text)
}

// Read reads the bytes of an object; the name is for diagnostics.
func Read(name string, text []byte) (o *Object, err error) {
	defer func() {
		if wrong := recover(); wrong != nil { // the reader of a library, and the file may be anything
			o, err = nil, bad(name, "%v", wrong)
		}
	}()
	if !Is(text) {
		return nil, bad(name, "it is no ELF file of eBPF programs")
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(reordered(strengthened(text))))
	if err != nil {
		return nil, bad(name, "%v", err)
	}
	if spec.ByteOrder != nil && spec.ByteOrder.String() != "LittleEndian" {
		return nil, bad(name, "it is compiled for a machine of other byte order", "clang -target bpfel makes objects for this machine")
	}
	o = &Object{Name: name, Spec: spec, debug: symbol.TypesOf(name, text)}
	o.staticHidden(text)
	if err := o.settleKconfig(); err != nil {
		return nil, err
	}
	o.findPrograms()
	o.findTables()
	o.findSources()
	if len(o.Programs) == 0 {
		return nil, bad(name, "it has no programs")
	}
	return o, nil
}

// bad is the diagnostic about an object that cannot be used; arguments of the format come before hints.
func bad(name, format string, args ...any) error {
	d := &script.Diagnostic{Code: BadObject}
	if n := bytes.Count([]byte(format), []byte("%")); n < len(args) {
		for _, hint := range args[n:] {
			d.Hints = append(d.Hints, fmt.Sprint(hint))
		}
		args = args[:n]
	}
	d.Message = name + ": " + fmt.Sprintf(format, args...)
	return d
}

// types calls fn for every type of the object's own BTF until it gives false.
func (o *Object) types(fn func(btf.Type) bool) {
	if o.Spec.Types == nil {
		return
	}
	for t, err := range o.Spec.Types.All() {
		if err != nil || !fn(t) {
			return
		}
	}
}
