package relocate

import (
	"strings"

	"github.com/sonde-project/sonde/internal/site"
)

// twice are functions that return more than once or to somebody else's stack: an entry and a return cannot be paired.
var twice = map[string]bool{
	"setjmp": true, "_setjmp": true, "__sigsetjmp": true, "sigsetjmp": true, "vfork": true, "__vfork": true, "__libc_vfork": true,
	"getcontext": true, "setcontext": true, "swapcontext": true, "makecontext": true, "__start_context": true, "__clone": true, "clone": true,
	"__clone3": true, "__makecontext": true, "_Unwind_Resume": true, "_Unwind_RaiseException": true, "_Unwind_Resume_or_Rethrow": true,
	"_Unwind_ForcedUnwind": true, "_dl_runtime_resolve": true, "__tls_get_addr": true, "__tls_get_addr_slow": true,
}

// told are functions whose bytes others look at: the unwinder knows a signal's frame by them.
var told = map[string]bool{"__restore_rt": true, "__restore": true, "__kernel_rt_sigreturn": true, "runtime.sigreturn__sigaction": true}

// watched are functions in which the C library's handler for pthread_cancel asks where the thread stands: between the look at the flag and the
// system call it ends the thread there, and anywhere else it waits for the next such function (musl; glibc from 2.41 on). A thread that stands
// in a copy of these instructions would never be ended.
var watched = map[string]bool{"__syscall_cp_asm": true, "__cp_begin": true, "__syscall_cancel_arch": true, "__syscall_cancel_arch_start": true}

// switching are functions of Go's runtime that move between stacks.
var switching = []string{
	"runtime.mcall", "runtime.gogo", "runtime.gosave", "runtime.systemstack", "runtime.asmcgocall", "runtime.cgocallback", "runtime.morestack",
	"runtime.rt0_go", "runtime.goexit", "runtime.asyncPreempt", "runtime.sigtramp", "runtime.sigreturn", "runtime.mstart", "runtime.clone",
	"runtime.reflectcall", "runtime.return0", "runtime.sigFwd", "runtime.cgoSigtramp", "_rt0_",
}

// byName says why a function is left alone whatever its bytes are, "" when it is not.
func byName(name string, role site.Role) string {
	name, _, _ = strings.Cut(name, "@")
	if told[name] {
		return name + " is recognised by its bytes"
	}
	if watched[name] {
		return name + " is recognised by the addresses of its instructions, when a thread is cancelled there"
	}
	if site.Interrupted(name) {
		return name + " may be left at any instruction, when a thread is cancelled, and clean-ups would be missed"
	}
	if role == site.Entry || role == site.Inside {
		return ""
	}
	if twice[name] || strings.HasPrefix(name, "_dl_runtime_resolve") || strings.HasPrefix(name, "_dl_tlsdesc") {
		return name + " returns more than once, or on another stack"
	}
	for _, prefix := range switching {
		if strings.HasPrefix(name, prefix) {
			return name + " moves between stacks"
		}
	}
	return ""
}
