// Package codegen writes the eBPF programs of a plan.
//
// In: a plan, and what the kernel can do. Out: map and program specifications. Invariant: what it stores lies where
// plan/layout.go and plan/mapping.go say, and every hit is counted as delivered, filtered or lost. It makes no system call
// and must not know how programs are attached.
package codegen

import (
	"errors"

	"github.com/sonde-project/sonde/internal/plan"
)

// Compile translates a plan. The plan and what it points at are not changed, and not kept.
func Compile(p *plan.Plan, f Features) (*Program, error) {
	return nil, errors.New("codegen: not there yet")
}
