package user

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/local"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// own is the programs that run by themselves (BEGIN, END, intervals), in our own process, on the memory that we share with the
// observed one.
type own struct {
	code     *codegen.Program
	programs map[int]uint64
	space    *local.Space
	stack    *local.Stack
	memory   []byte // the context, then the slot of the thread that they run on
}

func newOwn(code *codegen.Program, layout *shm.Layout, data []byte) (_ *own, err error) {
	o := &own{code: code, programs: map[int]uint64{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	var size uint64
	env, err := farEnv(layout, &size)
	if err != nil {
		return o, err
	}
	bare := size
	each := func(fn func(i int, code []byte) error) error {
		for i := range code.Progs {
			if code.Progs[i].Part != codegen.RunPart {
				continue
			}
			text, err := translate.Translate(code.Progs[i].Spec.Instructions, env)
			if err == nil {
				err = fn(i, text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err = each(func(_ int, text []byte) error { size += uint64(len(text)) + codeAlign; return nil }); err != nil || size == bare {
		return o, err
	}
	if o.memory, err = unix.Mmap(-1, 0, pages(contextRoom+layout.SlotSize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return o, err
	}
	if o.stack, err = local.NewStack(); err != nil {
		return o, err
	}
	if o.space, err = local.Map(int(size)); err != nil {
		return o, err
	}
	if env, err = routines(layout, shm.Place{Base: o.space.Next(), Data: uint64(uintptr(unsafe.Pointer(&data[0])))}, o.space.PutBytes); err != nil {
		return o, err
	}
	env.Base = o.space.Next()
	err = each(func(i int, text []byte) (err error) {
		o.programs[i], err = o.space.PutBytes(text)
		env.Base = o.space.Next()
		return err
	})
	if err == nil {
		err = o.space.Seal()
	}
	return o, err
}

// contextRoom is what the context takes; the slot lies behind.
const contextRoom = 256

func pages(n int) int { return (n + unix.Getpagesize() - 1) &^ (unix.Getpagesize() - 1) }

// run runs the programs of a probe.
func (o *own) run(probe int) {
	for i := range o.code.Progs {
		at, ok := o.programs[i]
		if !ok || o.code.Progs[i].Probe != probe {
			continue
		}
		clear(o.memory)
		context := uint64(uintptr(unsafe.Pointer(&o.memory[0])))
		*(*uint64)(unsafe.Pointer(&o.memory[shm.ContextSlot])) = context + contextRoom
		o.space.Call(o.stack, at, context)
	}
}

func (o *own) close() error {
	var errs []error
	if o.space != nil {
		errs = append(errs, o.space.Close())
	}
	if o.stack != nil {
		errs = append(errs, o.stack.Close())
	}
	if o.memory != nil {
		errs = append(errs, unix.Munmap(o.memory))
	}
	return errors.Join(errs...)
}

// Run runs the programs of a BEGIN, END or interval probe once.
func (s *Session) Run(probe int) error {
	if probe < 0 || probe >= len(s.plan.Probes) {
		return fmt.Errorf("no probe %d", probe)
	}
	s.own.run(probe)
	return nil
}
