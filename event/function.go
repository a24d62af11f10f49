package event

// Parameter is a parameter or a result of a Function.
type Parameter struct {
	Name string // "" when it has none
	Type string // as its author wrote it
	// Kind is the Kind of the Value that a call gives; KindNone when its type does not say.
	Kind     Kind
	Size     int64 // bytes, -1 unknown
	Receiver bool  // this, self, a Go method's receiver
	// Registers are the general registers that carry it, in order: "rdi"; two for a Go string. Empty when it travels another way.
	Registers []string
	// Behind marks a value that travels by its address: the register holds the address.
	Behind bool
}
