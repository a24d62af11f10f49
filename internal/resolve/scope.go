// Package resolve turns a script and a target into a plan, and run-time addresses back into names.
//
// In: a syntax tree, the processes and files it is about, their symbols. Out: a complete plan.Plan or a
// diagnostic that says why nothing matches. Invariant: every site it puts into a plan was chosen by package
// site; every function that matched and is not probed is in Plan.Refusals. It must not know eBPF.
package resolve

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Scope is what a script is resolved against.
type Scope struct {
	PIDs    []int  // observed processes; names resolve inside the first that knows them
	Program string // the command's executable or "": what an empty target means without a PID
	// Started marks that PIDs is a command that we started and that has not run yet, so that its libraries are
	// not mapped: names resolve by ld.so's rules.
	Started bool
	Filter  plan.Filter
	Limits  plan.Limits
	Return  ReturnPolicy
	Unsafe  bool // arm what is refused as dangerous
	// BeforeRet: a hit costs what the kernel does with the site's instruction, and the engine's programs know from a site before a ret what the ret would tell.
	BeforeRet bool
	// Prototypes are the user's declarations; they win over the embedded ones.
	Prototypes Prototypes
	// Params are the script's positional parameters $1, $2, ...
	Params []string
	// Cache keeps objects open between calls; nil: a fresh one.
	Objects *Objects
}

// Prototypes are declarations of functions and types by name.
type Prototypes interface {
	Lookup(function string) (*ctype.Signature, bool)
	TypeNamed(name string) (*ctype.Type, bool)
}

// ReturnPolicy overrides how returns are seen.
type ReturnPolicy uint8

const (
	ReturnAuto ReturnPolicy = iota
	ReturnTrampoline
	ReturnSites
)
