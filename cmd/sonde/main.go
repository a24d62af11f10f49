// Command sonde looks inside running programs: which functions are called, how often, with what arguments, what they
// return and how long they take.
//
// In: argv. Out: results on standard output, everything else on standard error, an exit status. Each verb is one file. Flags
// stop here: what a verb asks for goes to package sonde as a value. It must not hold logic beyond that.
package main

import "os"

// version is set by the linker.
var version = "unknown"

func main() {
	os.Exit(run(os.Args[1:], world{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, backend: engines()}))
}
