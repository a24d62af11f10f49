//go:build !amd64

package user

import (
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// own is the programs that run by themselves; there are none where Check refuses every plan.
type own struct{}

func newOwn(*codegen.Program, *shm.Layout, []byte) (*own, error) { return nil, inject.Supported() }

func (*own) close() error { return nil }

// Run runs the programs of a BEGIN, END or interval probe once.
func (*Session) Run(int) error { return inject.Supported() }
