package resolve

import (
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/symbol"
)

// notCalled are entered by something else than a call, so what lies at the stack pointer is no return address.
// The dynamic linker's resolvers are jumped to with two words pushed; the restorer is returned into.
var notCalled = set("_start", "_dl_start", "_dl_start_user", "__restore_rt", "_dl_runtime_resolve", "_dl_runtime_resolve_xsave",
	"_dl_runtime_resolve_xsavec", "_dl_runtime_resolve_fxsave", "_dl_runtime_profile_avx512", "_dl_runtime_profile_avx", "_dl_runtime_profile_sse",
	"_dl_tlsdesc_return", "_dl_tlsdesc_undefweak", "_dl_tlsdesc_dynamic", "__clone", "clone", "__clone3", "clone3", "__start_context", "_rt0_amd64_linux")

// returnsTwice keep their return address in memory, or return more than once.
var returnsTwice = set("setjmp", "_setjmp", "__sigsetjmp", "sigsetjmp", "longjmp", "_longjmp", "siglongjmp", "__longjmp", "__libc_longjmp", "__libc_siglongjmp", "__longjmp_chk",
	"____longjmp_chk", "__longjmp_cancel", "vfork", "__vfork", "__libc_vfork", "getcontext", "__getcontext", "setcontext", "swapcontext", "makecontext",
	"__makecontext", "__setcontext", "__swapcontext", "fork", "__libc_fork", "__fork", "_Fork", "backtrace", "__backtrace", "__libc_unwind_longjmp")

// callsBack call a function that they are given, which in C++ may throw through them.
var callsBack = set("qsort", "qsort_r", "__qsort_r", "bsearch", "lfind", "lsearch", "tsearch", "tfind", "tdelete", "twalk", "twalk_r", "tdestroy", "__tsearch", "pthread_once",
	"__pthread_once", "call_once", "dl_iterate_phdr", "__dl_iterate_phdr", "scandir", "scandir64", "ftw", "ftw64", "nftw", "nftw64", "glob", "glob64", "_dl_catch_exception", "_dl_catch_error",
	"__libc_start_main", "__libc_start_call_main", "start_thread", "__libc_csu_init", "pthread_create", "sqlite3_exec", "sqlite3_step")

// tidies are functions that, before they give back a constant, call nothing of their object but what puts its own lists in order. PQgetResult: where it
// gives NULL in a pipeline (pqPipelineProcessQueue).
var tidies = set("PQgetResult")

// unwinder reports whether a function is part of the machinery that walks stacks.
func unwinder(name string) bool {
	for _, p := range []string{"_Unwind_", "__cxa_throw", "__cxa_rethrow", "__gxx_personality", "__gcc_personality", "unw_", "_U", "uw_", "__cxa_call_unexpected", "rust_eh_personality", "__register_frame"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// names are all names of a function, without versions.
func names(fn *symbol.Function) []string {
	out := []string{fn.Name}
	for _, alias := range fn.Aliases {
		plain, _, _ := strings.Cut(alias, "@")
		out = append(out, plain)
	}
	return out
}

// among reports whether any of a function's names is in the set.
func among(set map[string]bool, fn *symbol.Function) bool {
	return slices.ContainsFunc(names(fn), func(name string) bool { return set[name] })
}

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// cancellable are the functions of the C library in which POSIX (System Interfaces, 2.9.5.2) lets a thread be cancelled, with
// their other names in glibc, and those through which one ends.
var cancellable = set("accept", "accept4", "clock_nanosleep", "__clock_nanosleep", "close", "__close", "connect", "__connect", "creat", "creat64", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"fcntl", "fcntl64", "__fcntl", "fdatasync", "fsync", "getmsg", "lockf", "lockf64", "mq_receive", "mq_send", "mq_timedreceive", "mq_timedsend", "msgrcv", "msgsnd", "msync",
	"nanosleep", "__nanosleep", "open", "open64", "__open", "__open64", "openat", "openat64", "pause", "poll", "__poll", "ppoll", "pread", "pread64", "__pread64", "preadv", "preadv64", "pselect",
	"pthread_cond_timedwait", "pthread_cond_wait", "pthread_cond_clockwait", "pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np", "pthread_testcancel",
	"putmsg", "pwrite", "pwrite64", "__pwrite64", "pwritev", "pwritev64", "read", "__read", "readv", "recv", "__recv", "recvfrom", "recvmsg", "recvmmsg",
	"select", "__select", "sem_timedwait", "sem_wait", "sem_clockwait", "__new_sem_wait", "send", "__send", "sendmsg", "sendmmsg", "sendto", "sigpause", "__sigpause", "sigsuspend", "sigtimedwait",
	"sigwait", "sigwaitinfo", "sleep", "usleep", "splice", "sync_file_range", "system", "tcdrain", "tee", "vmsplice", "wait", "__wait", "wait3", "wait4", "waitid", "waitpid", "__waitpid",
	"write", "__write", "writev", "getrandom", "copy_file_range", "thrd_sleep", "cnd_wait", "cnd_timedwait", "thrd_join",
	"pthread_exit", "__pthread_exit", "thrd_exit", "pthread_cancel", "pthread_setcanceltype", "pthread_setcancelstate", "__pthread_unwind", "__pthread_unwind_next", "raise", "gsignal", "pthread_kill", "kill", "abort",
	"getc", "fgetc", "fgets", "getline", "getdelim", "fread", "fwrite", "fflush", "fputs", "puts", "printf", "vprintf", "fprintf", "vfprintf")

// keepsToItself are the functions of the C library that people measure most and that call nothing foreign and wait for nothing that
// can be cancelled.
var keepsToItself = set("malloc", "free", "cfree", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc", "malloc_usable_size",
	"__libc_malloc", "__libc_free", "__libc_calloc", "__libc_realloc", "__libc_memalign", "_int_malloc", "_int_free", "_int_realloc", "_int_memalign",
	"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_unlock", "pthread_spin_lock", "pthread_spin_unlock", "pthread_getspecific", "pthread_setspecific", "pthread_self",
	"strdup", "strndup", "strtol", "strtoul", "strtoll", "strtoull", "strtod", "strtof", "atoi", "atol", "getenv", "secure_getenv", "setenv", "strcoll", "strxfrm", "strtok", "strtok_r",
	"gettimeofday", "clock_gettime", "time", "localtime", "localtime_r", "gmtime", "gmtime_r", "mktime", "strftime", "rand", "random", "srand", "srandom", "rand_r", "inet_pton", "inet_ntop", "inet_aton",
	"mbstowcs", "wcstombs", "mbrtowc", "wcrtomb", "setlocale", "sem_post", "pthread_cond_signal", "pthread_cond_broadcast", "mmap", "munmap", "mprotect", "brk", "sbrk")
