package symbol

import "fmt"

// Addr is an address as an object's symbol table has it (ELF virtual address).
type Addr uint64

// Offset is a position in the object's file: what the kernel wants for a uprobe.
type Offset uint64

// PC is a run-time address in some process.
type PC uint64

// Bias is PC minus Addr for one mapping of an object in one process.
type Bias uint64

// PC gives the run-time address of a.
func (a Addr) PC(b Bias) PC { return PC(uint64(a) + uint64(b)) }

// Addr gives the ELF address of p.
func (p PC) Addr(b Bias) Addr { return Addr(uint64(p) - uint64(b)) }

func (a Addr) String() string { return fmt.Sprintf("0x%x", uint64(a)) }
