//go:build !amd64

package target

// endsWithUs is no signal where a command cannot be made to forget it.
const endsWithUs = 0

func outlive(int) error { return nil }
