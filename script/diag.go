package script

// Code is the stable tag of a diagnosis: "[no-function]" in what a user reads.
type Code string

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
