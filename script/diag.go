package script

import "io/fs"

// Code is the stable tag of a diagnosis: "[no-function]" in what a user reads. It is an error, so that a program asks
// errors.Is(err, script.NoFunction).
type Code string

// Error gives the code.
func (c Code) Error() string { return string(c) }

// Diagnostic is a mistake that a person can mend. It is the error type of everything a user can get wrong, in
// every package of the left half.
type Diagnostic struct {
	Code    Code
	Message string
	Text    string // the text that Span points into: the script, the probe, the expression; "" when there is none
	Span    Span
	Hints   []string
}

// Error gives the message without place and hints.
func (d *Diagnostic) Error() string { return d.Message + " [" + string(d.Code) + "]" }

// Is makes errors.Is(err, code) true for the diagnostic's own code, and for fs.ErrPermission and fs.ErrNotExist where that is what
// the code says.
func (d *Diagnostic) Is(target error) bool {
	switch target {
	case d.Code:
		return true
	case fs.ErrPermission:
		return d.Code == NotPermitted
	case fs.ErrNotExist:
		return d.Code == NoFile || d.Code == NoProcess || d.Code == NoLibrary || d.Code == NoProgram
	}
	return false
}
