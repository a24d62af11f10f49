// Package symbol reads one object file: its functions, types, lines, inlined instances and USDT notes.
//
// In: an ELF file, with the debug files that belong to it. Out: tables by address and by name. Invariant:
// input is hostile; every size is capped, a broken part is an error about that part, never a panic, and
// what could be read stays usable. It must not know processes.
package symbol

import (
	"github.com/sonde-project/sonde/event"
)

// Function is one function of an object: one address, however many names.
type Function struct {
	Addr    Addr
	Size    uint64   // 0 when the table does not say; Code then ends at the next symbol
	Name    string   // linkage name: what the symbol table holds
	Aliases []string // further linkage names of the same address
	Version string   // symbol version of Name, "" none
	Lang    event.Language
	Local   bool
	IFunc   bool   // Addr is a resolver; see File.Implementations
	Source  string // "symtab", "dynsym", "gnu_debugdata", "debug file", "gopclntab", "dwarf", "ifunc", "eh_frame"
	// OldVersion: Version is not the one that the plain name means to the linker (name@VERSION, not name@@VERSION).
	OldVersion bool
	// Unit is the source file of a local function, "" unknown: it tells statics of one name apart.
	Unit string
}
