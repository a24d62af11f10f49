// Package prototype knows the parameters of functions whose library carries no debug information.
//
// In: C declarations, either our own for the libraries that everybody uses or a file of the user's. Out: a
// ctype.Signature per function. Invariant: a declaration is read or refused with its place, never guessed. It must
// not know ELF, and opens no file.
//
// The text is C. Annotations say what C does not; a comment that begins with "/*@" may hold them:
//
//	int @fd open(const char *path, int flags @flags(open_flags), ...) @fails(negative);
//	ssize_t read(int fd @fd, void buf[return] @out, size_t count) @fails(negative);
//
//	@fd @pid @mode @errno @signal @sockaddr @hex @ns   how a number reads (of a pointer: what it points at)
//	@flags(e) @enum(e)   names come from enum e: or-ed together, or one of them
//	buf[count]           count bytes (elements, when they are larger than one byte); also [return], [*len], [size*n]
//	@len(count)          the same for a pointer whose size is in bytes whatever it points at
//	@buf, @str           a char * that is no text; another pointer that is text
//	@out                 filled by the callee
//	@fails(how)          behind a function: negative, null, nonzero, eof: then errno says why
//	@alias(a, b)         behind a function: further names
//	@of(mask)            behind an enumerator of flags: it is there when value & mask equals it
package prototype

import "github.com/sonde-project/sonde/internal/ctype"

// Table holds the declarations of one text. It is immutable once Parse returned it.
type Table struct {
	parent    *Table
	types     map[string]*ctype.Type // by typedef name
	tags      map[string]*ctype.Type // by "struct name", "union name", "enum name"
	constants map[string]int64       // enumerators
	functions map[string]*ctype.Signature
}

func newTable(parent *Table) *Table {
	return &Table{
		parent: parent, types: map[string]*ctype.Type{}, tags: map[string]*ctype.Type{},
		constants: map[string]int64{}, functions: map[string]*ctype.Signature{},
	}
}

// Parse reads declarations; the types of the C library are known to them. The error is a *script.Diagnostic.
func Parse(text string) (*Table, error) {
	table, mistake := parse(text, base())
	if mistake != nil {
		return nil, mistake
	}
	return table, nil
}

// Lookup finds the signature of a function that the text declares.
func (t *Table) Lookup(function string) (*ctype.Signature, bool) {
	sig, ok := t.functions[function]
	return sig, ok
}

// Functions names all that the text declares, in no order.
func (t *Table) Functions() []string {
	names := make([]string, 0, len(t.functions))
	for name := range t.functions {
		names = append(names, name)
	}
	return names
}

// TypeNamed finds a type: "struct stat", "size_t".
func (t *Table) TypeNamed(name string) (*ctype.Type, bool) {
	if found := t.typedef(name); found != nil {
		return found, true
	}
	found := t.tag(name)
	return found, found != nil
}

func (t *Table) typedef(name string) *ctype.Type {
	for ; t != nil; t = t.parent {
		if found := t.types[name]; found != nil {
			return found
		}
	}
	return nil
}

func (t *Table) tag(name string) *ctype.Type {
	for ; t != nil; t = t.parent {
		if found := t.tags[name]; found != nil {
			return found
		}
	}
	return nil
}

// Constant is the value of an enumerator.
func (t *Table) Constant(name string) (int64, bool) { return t.constant(name) }

// Own is the table without what the C library declares.
func (t *Table) Own() *Table {
	own := *t
	own.parent = nil
	return &own
}

func (t *Table) constant(name string) (int64, bool) {
	for ; t != nil; t = t.parent {
		if v, ok := t.constants[name]; ok {
			return v, true
		}
	}
	return 0, false
}
