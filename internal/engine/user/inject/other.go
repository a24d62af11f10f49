//go:build !amd64

package inject

import (
	"debug/elf"
	"runtime"
)

const machine = elf.EM_NONE

// Supported says whether this machine's processes can be observed from inside, and if not, why.
func Supported() error {
	return diagnosis(Unsupported, "programs are observed from inside on x86-64 only, and this is "+runtime.GOARCH, kernelHint)
}

// Map makes a region in the process.
func (p *Process) Map(Request) (*Region, Result, error) { return nil, Result{}, Supported() }

// Patch overwrites places with jumps.
func (p *Process) Patch(*Region, []Patch, ...*Region) (Result, error) { return Result{}, Supported() }

// Detach restores every byte and unmaps the region.
func (p *Process) Detach(...*Region) (left bool, result Result, err error) {
	return true, Result{}, Supported()
}

// RunToStart runs an adopted process to where its own code begins.
func (p *Process) RunToStart() error { return Supported() }

// Follower goes on tracing a command.
type Follower struct{}

// Watch is what a Follower tells.
type Watch struct {
	Wanted func(pid int) bool
	Loaded func(pid int, p *Process, err error)
}

// Follow takes over a command.
func Follow(int, Watch) (*Follower, error) { return nil, Supported() }

// Visit holds one thread of a followed process.
func (*Follower) Visit(pid, tid int, do func(*Process)) error { return Supported() }

// Visit holds one thread of a running process.
func Visit(pid, tid int, f func(*Process)) error { return Supported() }

// LoaderHook is where the dynamic linker tells debuggers of what it has mapped.
func (p *Process) LoaderHook() (addr uint64, ok bool) { return 0, false }

// Close lets go of all.
func (*Follower) Close() {}

// NewData makes data that regions share.
func NewData(uint64) (*Region, error) { return nil, Supported() }

// Recover makes a process whole that a sonde has left without taking leave.
func Recover(int) (mended, left int, err error) { return 0, 0, Supported() }
