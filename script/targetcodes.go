package script

// Codes of what can be wrong with targets and machines, for errors.Is. There are more; what is not listed here is told apart
// by its text alone.
const (
	NoTarget       Code = "no-target"       // a function without a target, and nothing says which program is meant
	NoLibrary      Code = "no-library"      // no such library where ld.so looks
	NoProgram      Code = "no-program"      // no such program
	NoFile         Code = "no-file"         // no such file
	NoProcess      Code = "no-process"      // no such process
	NoContainer    Code = "no-container"    // no such container
	NoFunction     Code = "no-function"     // the target has no such function; hints name those like it
	Several        Code = "several"         // a name of several functions where one is meant
	NoLine         Code = "no-line"         // no code at that source line
	NoStaticProbe  Code = "no-usdt"         // no such static probe
	NoParameter    Code = "no-parameter"    // an expression names a parameter that the function has not
	NoMember       Code = "no-member"       // an expression names a field that the structure has not
	NotELF         Code = "not-elf"         // the target is no program or library: a script, a text, a folder
	NotX8664       Code = "not-x86-64"      // the target is for another processor
	NotExecutable  Code = "not-executable"  // a file, but no program
	NotLinked      Code = "not-linked"      // the target is an object file, not yet a program
	DamagedELF     Code = "damaged-elf"     // the target is cut off or contradicts itself
	Refused        Code = "refused"         // arming it could harm the observed program
	NotPermitted   Code = "not-permitted"   // this process may not load programs or look at that process
	KernelTooOld   Code = "kernel-too-old"  // the kernel lacks what it takes
	ProgramRefused Code = "program-refused" // the kernel's verifier refused the program
	NotArmed       Code = "not-armed"       // the kernel refused the probe
	NoEngine       Code = "no-engine"       // no engine of that name, or none that can
	BadLimit       Code = "bad-limit"       // a limit out of its range
)
