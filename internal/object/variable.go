package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/script"
)

// Set gives a global variable its value before the object is loaded: "name=value", or "name.member=value" of a structure. Values are
// written as in C: numbers, true and false, 'c', enumerators, text for char arrays, elements between commas for other arrays.
func (o *Object) Set(assignment string) error {
	path, text, found := strings.Cut(assignment, "=")
	if !found || path == "" {
		return &script.Diagnostic{Code: BadValue, Message: "--set wants NAME=VALUE", Text: assignment, Span: script.Span{To: len(assignment)}}
	}
	name, rest, _ := strings.Cut(path, ".")
	v := o.Spec.Variables[name]
	if v == nil || !settable(v) {
		return o.unknown(NoVariable, "variable", name, o.variables())
	}
	if v.Type == nil {
		return &script.Diagnostic{Code: NoType, Message: "the type of variable " + name + " is not known: the object has no BTF", Hints: []string{"clang -g writes it"}}
	}
	b := make([]byte, v.Size())
	copy(b, v.Value)
	if err := assign(v.Type.Type, b, rest, text); err != nil {
		at := len(path) + 1
		return &script.Diagnostic{Code: BadValue, Message: fmt.Sprintf("%s: %v", path, err), Text: assignment, Span: script.Span{From: at, To: len(assignment)},
			Hints: []string{"it is declared as " + declaration(v.Type.Type, name)}}
	}
	v.Value = b
	return nil
}

// settable leaves out what the kernel or a loader fills in.
func settable(v *ebpf.VariableSpec) bool { return v.SectionName != ".kconfig" }

func (o *Object) variables() []string {
	var names []string
	for name, v := range o.Spec.Variables {
		if settable(v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// declaration is a variable as C declares it.
func declaration(t btf.Type, name string) string {
	if a, ok := btf.UnderlyingType(t).(*btf.Array); ok {
		return declaration(a.Type, fmt.Sprintf("%s[%d]", name, a.Nelems))
	}
	if p, ok := btf.UnderlyingType(t).(*btf.Pointer); ok {
		return declaration(p.Target, "*"+name)
	}
	return plainName(typeName(t)) + " " + name
}

// assign writes text as a value of a type into b, or into the member that the path names.
func assign(t btf.Type, b []byte, path, text string) error {
	u := btf.UnderlyingType(t)
	if path != "" {
		name, rest, _ := strings.Cut(path, ".")
		m, ok := memberOf(u, name)
		if !ok {
			return fmt.Errorf("no member %s in %s", name, typeName(t))
		}
		if m.BitfieldSize > 0 {
			return errors.New("bit-fields cannot be set")
		}
		return assign(m.Type, from(b, int(m.Offset)/8), rest, text)
	}
	size, err := btf.Sizeof(u)
	if err != nil || size > len(b) {
		return errors.New("its size is not known")
	}
	b = b[:size]
	switch u := u.(type) {
	case *btf.Array:
		return assignArray(u, b, text)
	case *btf.Int:
		if u.Size > 8 {
			return fmt.Errorf("numbers of %d bytes cannot be set", u.Size)
		}
		bits, err := integer(u, text)
		if err != nil {
			return err
		}
		put(b, bits)
		return nil
	case *btf.Enum:
		bits, err := enumeration(u, text)
		if err != nil {
			return err
		}
		put(b, bits)
		return nil
	case *btf.Float:
		number, err := strconv.ParseFloat(text, 8*size)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		if size == 4 {
			put(b, uint64(math.Float32bits(float32(number))))
		} else {
			put(b, math.Float64bits(number))
		}
		return nil
	case *btf.Struct, *btf.Union:
		if m, ok := wrapped(u); ok {
			return assign(m, b, "", text)
		}
		return errors.New("a structure is set by its members: NAME.MEMBER=VALUE")
	}
	return errors.New("a variable of this type cannot be set")
}

// wrapped gives the one member that fills a structure or union: Rust wraps values in such (Aya's Global<i32> is four deep).
func wrapped(t btf.Type) (btf.Type, bool) {
	size, err := btf.Sizeof(t)
	if err != nil || size == 0 {
		return nil, false
	}
	var inner btf.Type
	for _, m := range membersOf(t) {
		n, err := btf.Sizeof(m.Type)
		switch {
		case err != nil || m.BitfieldSize > 0 || n > 0 && (n != size || inner != nil):
			return nil, false
		case n > 0:
			inner = m.Type
		}
	}
	return inner, inner != nil
}

func membersOf(t btf.Type) []btf.Member {
	switch t := t.(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

func memberOf(t btf.Type, name string) (btf.Member, bool) {
	for _, m := range membersOf(t) {
		if m.Name == name {
			return m, true
		}
	}
	return btf.Member{}, false
}

// put writes the lower bytes of a number.
func put(b []byte, bits uint64) {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], bits)
	copy(b, word[:])
}

// integer reads a number, a character or a truth value, within what the type holds.
func integer(t *btf.Int, text string) (uint64, error) {
	width := int(8 * t.Size)
	switch {
	case t.Encoding == btf.Bool:
		switch text {
		case "true", "1":
			return 1, nil
		case "false", "0":
			return 0, nil
		}
		return 0, fmt.Errorf("%q is neither true nor false", text)
	case len(text) == 3 && text[0] == '\'' && text[2] == '\'':
		return uint64(text[1]), nil
	case t.Encoding == btf.Signed || isChar(t):
		n, err := strconv.ParseInt(text, 0, width)
		return uint64(n), numeric(err, text, fmt.Sprintf("%d to %d", int64(-1)<<(width-1), int64(1)<<(width-1)-1))
	}
	n, err := strconv.ParseUint(text, 0, width)
	return n, numeric(err, text, fmt.Sprintf("0 to %d", uint64(math.MaxUint64)>>(64-width)))
}

// numeric words the errors of strconv.
func numeric(err error, text, holds string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange), strings.HasPrefix(text, "-") && strings.Trim(text[1:], "0123456789") == "":
		return fmt.Errorf("%s is out of its range: %s", text, holds)
	}
	return fmt.Errorf("%q is no whole number", text)
}

func enumeration(t *btf.Enum, text string) (uint64, error) {
	var names []string
	for _, v := range t.Values {
		if v.Name == text {
			return v.Value, nil
		}
		names = append(names, v.Name)
	}
	width := int(8 * t.Size)
	if n, err := strconv.ParseInt(text, 0, width+1); err == nil && width < 64 {
		return uint64(n), nil
	}
	near := script.Near(text, names, 3)
	if len(near) == 0 {
		near = names[:min(len(names), 8)]
	}
	return 0, fmt.Errorf("%q is no %s: %s", text, typeName(t), strings.Join(near, ", "))
}

// assignArray writes text into an array of char, with room for the NUL, or elements between commas.
func assignArray(t *btf.Array, b []byte, text string) error {
	clear(b)
	if isChar(t.Type) {
		if len(text) >= len(b) {
			return fmt.Errorf("%d bytes of text do not go into char[%d] with its NUL", len(text), len(b))
		}
		copy(b, text)
		return nil
	}
	size, err := btf.Sizeof(t.Type)
	if err != nil || size == 0 {
		return errors.New("its elements have no size")
	}
	parts := strings.Split(strings.Trim(text, "{} "), ",")
	if len(parts) > int(t.Nelems) {
		return fmt.Errorf("%d elements for an array of %d", len(parts), t.Nelems)
	}
	for i, part := range parts {
		if err := assign(t.Type, b[i*size:], "", strings.TrimSpace(part)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}
