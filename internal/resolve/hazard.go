package resolve

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// A return address that the kernel replaced is harmless as long as nobody but the return itself looks at it, and as long as
// stacks are left in the order in which they were entered. Exceptions, forced unwinding (pthread_cancel, pthread_exit), backtraces
// look at it: the walk ends there, and what lies beyond is not caught, not cleaned up, not shown. A stack pointer that jumps up makes the
// kernel forget the addresses below, and the program crashes when it comes back.
//
// All of that happens while a function is being called by the function that is observed, so one that calls nothing is safe. In
// the C library, where a few functions call back or wait to be cancelled, they are known by name.

// hazard says what a replaced return address of the function could meet, "" nothing.
func (r *resolver) hazard(m match) string {
	switch system := systemC(m.obj); {
	case system && strings.HasPrefix(filepath.Base(m.obj.Path), "libm"), among(keepsToItself, m.fn):
		return ""
	case system && among(cancellable, m.fn), slices.ContainsFunc(names(m.fn), site.Interrupted):
		return "a thread may be cancelled in it, and unwinding would end at a replaced return address"
	case leaf(m):
		return r.interrupts(m.obj)
	case system:
		return "it may call back or be where a thread is cancelled, and unwinding would end at a replaced return address"
	}
	why, ok := r.hazards[m.obj]
	if !ok {
		why = r.meets(m.obj)
		r.hazards[m.obj] = why
	}
	return why
}

// leaf reports whether nothing happens between a function's entry and its return but the function itself, on its stack.
func leaf(m match) bool {
	code, err := m.obj.file.Code(m.fn)
	return err == nil && site.Leaf(code) && !site.SwitchesStacks(code)
}

// systemC reports whether an object belongs to the C library, shared.
func systemC(obj *object) bool {
	if obj.file.Static() {
		return false
	}
	name := filepath.Base(obj.Path)
	for _, p := range []string{"libc.so.", "libc-2.", "libpthread.so.", "libpthread-2.", "libm.so.", "libm-2.", "libdl.so.", "librt.so.", "ld-linux", "ld-2.", "ld-musl-", "libc.musl-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// meets says what the processes that use the object do with their stacks. Of a library the processes may be any.
func (r *resolver) meets(obj *object) string {
	var used []target.Object
	var err error
	switch {
	case obj.file.Program():
		used, err = r.closure(obj.Path)
	case len(r.scope.PIDs) > 0 && !r.scope.Started:
		used, err = r.mapped()
	default:
		return "an exception may pass through it in a program that has them"
	}
	if err != nil {
		return "what the program does with its stacks is not known: " + err.Error()
	}
	for _, t := range used {
		other, err := r.objects.get(t)
		if err != nil || systemC(other) {
			continue
		}
		if why := stackUse(other); why != "" {
			return filepath.Base(other.Path) + " " + why
		}
	}
	return ""
}

// interrupts says why a function that calls nothing may be left all the same: a thread that wants to be cancelled anywhere, or a signal handler that forks. Who uses a
// library that is observed in all processes is not known; few ask for that.
func (r *resolver) interrupts(obj *object) string {
	why, ok := r.interrupted[obj]
	if ok || !obj.file.Program() {
		return why
	}
	if used, err := r.closure(obj.Path); err == nil {
		for _, t := range used {
			switch other, err := r.objects.get(t); {
			case err != nil || systemC(other):
			case uses(other, "pthread_setcanceltype"):
				why = filepath.Base(other.Path) + " has threads cancelled anywhere, and unwinding would end at a replaced return address"
			case why == "" && forksInHandlers(other):
				why = filepath.Base(other.Path) + " " + mayFork
			}
		}
	}
	r.interrupted[obj] = why
	return why
}

// uses reports whether an object may call one of these functions of the C library: it imports it or, if static, has it. A stripped static program may have any.
func uses(obj *object, wanted ...string) bool {
	one := func(name string) bool { return slices.Contains(wanted, name) }
	if slices.ContainsFunc(obj.file.Imports(), one) {
		return true
	}
	if !obj.file.Static() {
		return false
	}
	return obj.file.Stripped() || slices.ContainsFunc(obj.file.Functions(), func(fn symbol.Function) bool { return slices.ContainsFunc(names(&fn), one) })
}

// mapped are the objects of the observed processes.
func (r *resolver) mapped() ([]target.Object, error) {
	var out []target.Object
	for _, pid := range r.scope.PIDs {
		p, err := target.Open(pid)
		if err != nil {
			return nil, err
		}
		list, err := p.Objects()
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// stackWords are functions whose use says what a program does with its stacks.
var stackWords = map[string]string{
	"__gxx_personality_v0": "throws exceptions", "rust_eh_personality": "unwinds", "__gcc_personality_v0": "has clean-ups that run when threads are cancelled",
	"_Unwind_Backtrace": "walks its stacks", "_Unwind_ForcedUnwind": "unwinds its stacks", "backtrace": "walks its stacks",
	"_ULx86_64_step": "walks its stacks", "_Ux86_64_step": "walks its stacks", "unw_step": "walks its stacks",
	"dlopen": "loads code that may throw", "dlmopen": "loads code that may throw",
	"swapcontext": "switches stacks", "setcontext": "switches stacks", "makecontext": "switches stacks", "sigaltstack": "handles signals on another stack",
}

// stackUse says what an object does with stacks, "" nothing: by the functions that it imports or, if static, has; then by
// instructions that load the stack pointer.
func stackUse(obj *object) string {
	for _, name := range obj.file.Personalities() {
		if why := stackWords[name]; why != "" {
			return why
		}
	}
	for _, name := range obj.file.Imports() {
		if why := stackWords[name]; why != "" {
			return why
		}
	}
	if obj.file.Static() {
		if obj.file.Stripped() {
			return "has no names that say what it does with its stacks"
		}
		for _, fn := range obj.file.Functions() {
			if why := stackWords[fn.Name]; why != "" {
				return why
			}
		}
	}
	if switchesStacks(obj.file) {
		return "switches stacks"
	}
	if forksInHandlers(obj) {
		return mayFork
	}
	return ""
}

// mayFork: a thread whose outermost replaced return address has just been used stands in the kernel's trampoline still, and a child that is forked then has none (Linux
// 6.11 and later).
const mayFork = "may fork in a signal handler, and a child that is forked at a return would crash"

// forksInHandlers reports whether an object both forks and handles signals; whether the one within the other is not known.
func forksInHandlers(obj *object) bool {
	return uses(obj, "fork", "_Fork", "forkpty") && uses(obj, symbol.SignalHandling()...)
}

// maxText bounds how much code is searched for switches of stacks.
const maxText = 256 << 20

func switchesStacks(f *symbol.File) bool {
	for _, s := range f.Segments() {
		if !s.Exec || s.Filesz > maxText {
			continue
		}
		text := make([]byte, s.Filesz)
		if f.ReadAt(s.Addr, text) != nil {
			continue
		}
		for _, at := range site.StackLoads(text) {
			fn, _, ok := f.At(s.Addr + symbol.Addr(at))
			if !ok {
				continue // data, or the linker's: it has no function
			}
			if code, err := f.Code(fn); err == nil && !f.Static() && site.SwitchesStacks(code) {
				return true
			}
		}
	}
	return false
}

// recursive reports whether a function calls itself, directly or through two others.
func (r *resolver) recursive(m match) bool {
	const depth = 3
	var back func(a symbol.Addr, left int) bool
	back = func(a symbol.Addr, left int) bool {
		for _, to := range r.callees(m.obj, a) {
			if to == m.fn.Addr || left > 1 && back(to, left-1) {
				return true
			}
		}
		return false
	}
	return back(m.fn.Addr, depth)
}

// callees are the functions of the same object that a function calls, each once.
func (r *resolver) callees(obj *object, a symbol.Addr) []symbol.Addr {
	known := r.calls[obj]
	if known == nil {
		known = map[symbol.Addr][]symbol.Addr{}
		r.calls[obj] = known
	}
	if out, ok := known[a]; ok {
		return out
	}
	known[a] = nil
	fn, off, ok := obj.file.At(a)
	if !ok || off != 0 {
		return nil
	}
	code, err := obj.file.Code(fn)
	if err != nil {
		return nil
	}
	seen := map[symbol.Addr]bool{}
	for _, rel := range site.Callees(code) {
		if to := a + symbol.Addr(rel); !seen[to] {
			seen[to] = true
			known[a] = append(known[a], to)
		}
	}
	return known[a]
}
