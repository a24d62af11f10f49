// Package target says what is observed: which object files, in which processes.
//
// In: a library name, a path, PIDs, a command, a container. Out: objects to open, processes with their mappings,
// and a started command that waits for its probes. Invariant: with a process given, names resolve in its mount
// namespace and never in ours. It must not read DWARF.
package target

// Object is one ELF file to observe.
type Object struct {
	// Path is how the observed process (or the user) names it; Open is a path that we can open and the kernel
	// can attach to: the same, or below /proc/PID/root.
	Path string
	Open string
	Dev  uint64
	Ino  uint64
	// Program: the main executable, not a library.
	Program bool
	// Note says in one clause what a user should know about the choice of this file, "" nothing.
	Note string
}
