package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/script"
)

// Exit statuses.
const (
	statusDone         = 0
	statusFailed       = 1
	statusUsage        = 2
	statusNothing      = 3 // nothing matched
	statusNotPermitted = 4
)

// statusOf is the exit status of a diagnosis by its code; what is not listed has failed.
var statusOf = map[int][]script.Code{
	statusUsage: {
		badUsage, "bad-answer", "bad-limit", "bad-pattern", "bad-return", "bad-value", "no-engine", "no-instruction", "no-place", "no-sources", "no-such-program", "no-target", "not-empty", "no-type", "not-for-ebpf", "several",
		// Mistakes that parsing a script finds.
		script.BadCharacter, script.BadEscape, script.BadNumber, script.UnclosedString, script.UnclosedComment,
		script.UnclosedBracket, script.MissingOperand, script.Unexpected, script.NotAssignable, script.Assignment, script.UnknownName,
		script.UnknownFunction, script.BadArguments, script.UnknownProbe, script.BadProbe, script.BadRegexp, script.NothingToDo,
		script.Unsupported, script.NoReturn, script.TooLong, script.TooDeep,
		// Mistakes that resolving it finds.
		"arguments", "bad-unroll", "format", "map-key", "map-type", "no-hit", "no-map", "no-member", "no-parameter", "no-register",
		"no-variable", "not-a-function", "not-a-statement", "not-a-value", "not-at-return", "not-constant", "outside-loop", "type",
	},
	statusNothing: {
		"kernel-thread", "leaderless", "zombie",
		"no-container", "no-driver", "no-file", "no-function", "no-library", "no-line", "no-process", "no-program", "no-usdt",
	},
	statusNotPermitted: {"not-permitted"},
}

// scriptExit is the status that a script asked for by exit(n).
type scriptExit int

func (s scriptExit) Error() string { return fmt.Sprintf("the script ended with status %d", int(s)) }

// status is the exit status of what the command came to.
func status(err error) int {
	if err == nil || errors.Is(err, context.Canceled) || render.Closed(err) {
		return statusDone
	}
	var asked scriptExit
	if errors.As(err, &asked) {
		return int(asked)
	}
	var d *script.Diagnostic
	if errors.As(err, &d) {
		for status, codes := range statusOf {
			if slices.Contains(codes, d.Code) {
				return status
			}
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return statusNotPermitted
	}
	return statusFailed
}

// report shows an error; an end that was asked for is none.
func report(w io.Writer, err error) {
	var asked scriptExit
	if errors.As(err, &asked) || status(err) == statusDone {
		return
	}
	var d *script.Diagnostic
	if errors.As(err, &d) {
		fmt.Fprint(w, d.Format("sonde"))
		return
	}
	fmt.Fprintf(w, "sonde: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	for _, l := range limits {
		if errors.Is(err, l.reached) {
			fmt.Fprintln(w, "sonde: hint: "+l.hint)
		}
	}
}

// limits of what a process may have, whoever ran into them.
var limits = [...]struct {
	reached error
	hint    string
}{
	{unix.EMFILE, "the limit of open files is too low: ulimit -n 1024, or prlimit --nofile"},
	{unix.ENFILE, "the machine has as many files open as it may: sysctl fs.file-max"},
	{unix.EFBIG, "files may not grow that large here: ulimit -f"},
	{unix.ENOMEM, "memory is short, or limited: ulimit -v, the memory cgroup"},
}
