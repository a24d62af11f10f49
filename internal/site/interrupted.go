package site

import "strings"

// Interrupted reports whether threads may be cancelled at any instruction of a function: those by which glibc, up to 2.40, begins and ends a cancellable system
// call. An unwinder that starts there must find its way by the function's own addresses, or clean-ups are missed.
func Interrupted(name string) bool {
	return strings.HasSuffix(name, "_enable_asynccancel") || strings.HasSuffix(name, "_disable_asynccancel")
}
