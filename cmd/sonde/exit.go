package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

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
		badUsage, script.BadCharacter, script.BadEscape, script.BadNumber, script.UnclosedString, script.UnclosedComment,
		script.UnclosedBracket, script.MissingOperand, script.Unexpected, script.NotAssignable, script.Assignment, script.UnknownName,
		script.UnknownFunction, script.BadArguments, script.UnknownProbe, script.BadProbe, script.BadRegexp, script.NothingToDo,
		script.Unsupported, script.NoReturn, script.TooLong, script.TooDeep, "bad-pattern", "no-target", "bad-limit", "bad-return",
		"no-engine", "no-parameter", "type", "arguments",
	},
	statusNothing: {
		"no-function", "no-library", "no-program", "no-process", "no-file", "no-line", "no-usdt", "no-match", "no-comm",
	},
	statusNotPermitted: {"not-permitted"},
}

// status is the exit status of what the command came to.
func status(err error) int {
	if err == nil || errors.Is(err, context.Canceled) || render.Closed(err) {
		return statusDone
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
	if status(err) == statusDone {
		return
	}
	var d *script.Diagnostic
	if errors.As(err, &d) {
		fmt.Fprint(w, d.Format("sonde"))
		return
	}
	fmt.Fprintf(w, "sonde: error: %v\n", err)
}
