package codegen

import (
	"fmt"

	"github.com/sonde-project/sonde/script"
)

// TooLarge is the code of what a program, or the kernel's tables, have no room for.
const TooLarge script.Code = "too-large"

func tooLarge(hint, format string, args ...any) error {
	d := &script.Diagnostic{Code: TooLarge, Message: fmt.Sprintf(format, args...)}
	if hint != "" {
		d.Hints = []string{hint}
	}
	return d
}

// fail notes what the plan has that cannot be compiled: a mistake of whoever made the plan.
func (x *code) fail(format string, args ...any) {
	if x.err == nil {
		x.err = fmt.Errorf("codegen: probe %s: "+format, append([]any{x.name()}, args...)...)
	}
}

// overflow notes that the plan wants more than a program has room for.
func (x *code) overflow(hint, format string, args ...any) {
	if x.err == nil {
		x.err = tooLarge(hint, "probe %s: "+format, append([]any{x.name()}, args...)...)
	}
}

func (x *code) name() string { return x.c.p.Probes[x.u.probe].Name }
