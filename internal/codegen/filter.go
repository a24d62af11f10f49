package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// filtersPIDs reports whether programs look a process up before anything else.
func (c *compiler) filtersPIDs() bool {
	f := &c.p.Filter
	return len(f.PIDs) > 0 && !(c.f.LinkPID && len(f.PIDs) == 1 && !f.Children)
}

// filter leaves at out for processes that are not observed. A return needs no filter where the entry had one.
func (c *compiler) filter(e *emitter, u *unit, out label) {
	f := &c.p.Filter
	if u.filtered {
		c.identity(e)
		e.mapPtr(asm.R1, c.use(PIDsMap))
		e.addr(asm.R2, identityPlace().plus(4))
		e.call(asm.FnMapLookupElem)
		e.jumpImm(asm.JEq, asm.R0, 0, out)
	}
	if f.UID != nil {
		e.call(asm.FnGetCurrentUidGid)
		e.emit(asm.Mov.Reg32(asm.R0, asm.R0))
		e.imm(asm.R1, int64(*f.UID))
		e.jumpReg(asm.JNE, asm.R0, asm.R1, out)
	}
	if f.Comm != "" {
		c.filterComm(e, out)
	}
	if f.Cgroup != 0 {
		e.call(asm.FnGetCurrentCgroupId)
		e.imm(asm.R1, int64(f.Cgroup))
		e.jumpReg(asm.JNE, asm.R0, asm.R1, out)
	}
}

func (c *compiler) filterComm(e *emitter, out label) {
	name := c.p.Filter.Comm
	name = name[:min(len(name), plan.CommSize-1)]
	at := place{asm.R10, -stackFixed - plan.CommSize}
	e.addr(asm.R1, at)
	e.imm(asm.R2, plan.CommSize)
	e.call(asm.FnGetCurrentComm)
	for i := 0; i < plan.CommSize; i += 8 {
		e.load(asm.R0, at.plus(i), asm.DWord)
		e.imm(asm.R1, word(name, i))
		e.jumpReg(asm.JNE, asm.R0, asm.R1, out)
	}
}

// identity stores thread group and thread, as sonde's own PID namespace counts them. The kernel's helper for namespaces knows
// only processes whose own namespace it is; of others the initial namespace's numbers are taken.
func (c *compiler) identity(e *emitter) {
	known := e.label()
	if ns := c.f.Namespace; ns.Ino != 0 {
		e.imm(asm.R1, int64(ns.Dev))
		e.imm(asm.R2, int64(ns.Ino))
		e.addr(asm.R3, identityPlace())
		e.imm(asm.R4, 8)
		e.call(asm.FnGetNsCurrentPidTgid)
		e.jumpImm(asm.JEq, asm.R0, 0, known)
	}
	e.call(asm.FnGetCurrentPidTgid)
	e.store(identityPlace(), asm.R0, asm.DWord)
	e.place(known)
}

// followForks writes the programs that keep the observed processes up to date.
func (c *compiler) followForks() error {
	if !c.p.Filter.Children || len(c.p.Filter.PIDs) == 0 {
		return nil
	}
	if c.f.Task.TGID == 0 || c.f.Namespace.Ino != 0 && c.f.Task.ThreadPID == 0 {
		return &script.Diagnostic{Code: "no-kernel-types", Message: "children cannot be followed: the kernel does not show where task_struct has its IDs (no /sys/kernel/btf/vmlinux)",
			Hints: []string{"mount -t sysfs sysfs /sys, if it is not mounted", "a kernel with CONFIG_DEBUG_INFO_BTF", "-p PID observes a process without its children"}}
	}
	gone := "sched_process_free"
	if c.f.Namespace.Ino != 0 {
		gone = "sched_process_exit" // later a process has no number in the namespace any more
	}
	for _, p := range []struct {
		part  Part
		where string
		write func(*emitter, label)
	}{{ForkPart, "sched_process_fork", c.forked}, {ExitPart, gone, c.died}} {
		e := &emitter{}
		out := e.label()
		e.mov(regCtx, asm.R1)
		p.write(e, out)
		e.place(out)
		e.exit()
		if err := e.finish(); err != nil {
			return err
		}
		c.progs = append(c.progs, Prog{Spec: c.spec(&unit{part: p.part}, len(c.progs), e), Probe: -1, Part: p.part, Tracepoint: p.where})
	}
	return nil
}

// Places of the programs on forks.
func parentPlace() place { return place{asm.R10, -8} }
func childPlace() place  { return place{asm.R10, -16} }

// forked is sched_process_fork(parent, child): the child of an observed process is observed. It has not run yet.
func (c *compiler) forked(e *emitter, out label) {
	e.load(regFrame, place{regCtx, 0}, asm.DWord)
	e.load(regScratch, place{regCtx, 8}, asm.DWord)
	readKernel(e, parentPlace(), regFrame, c.f.Task.TGID)
	readKernel(e, childPlace(), regScratch, c.f.Task.TGID)
	e.load(asm.R0, parentPlace(), asm.Word)
	e.load(asm.R1, childPlace(), asm.Word)
	e.jumpReg(asm.JEq, asm.R0, asm.R1, out) // a thread
	if c.f.Namespace.Ino != 0 {
		c.identity(e)
		e.load(asm.R0, identityPlace().plus(4), asm.Word)
		e.store(parentPlace(), asm.R0, asm.Word)
		c.numberInNamespace(e, childPlace(), regScratch)
	}
	e.mapPtr(asm.R1, c.use(PIDsMap))
	e.addr(asm.R2, parentPlace())
	e.call(asm.FnMapLookupElem)
	e.jumpImm(asm.JEq, asm.R0, 0, out)
	e.mapPtr(asm.R1, PIDsMap)
	e.addr(asm.R2, childPlace())
	e.mov(asm.R3, asm.R0)
	e.imm(asm.R4, updateAny)
	e.call(asm.FnMapUpdateElem)
	e.jumpImm(asm.JEq, asm.R0, 0, out)
	e.findStats(c, childPlace(), out)
	e.imm(asm.R1, 1)
	e.atomicAdd(place{regStats, 8 * int(plan.CountLostMap)}, asm.R1)
}

// findStats puts this CPU's counters in their register; the key takes 4 bytes on the stack.
func (e *emitter) findStats(c *compiler, key place, out label) {
	e.storeImm(key, 0, asm.Word)
	e.mapPtr(asm.R1, c.use(StatsMap))
	e.addr(asm.R2, key)
	e.call(asm.FnMapLookupElem)
	e.jumpImm(asm.JEq, asm.R0, 0, out)
	e.mov(regStats, asm.R0)
}

// died is sched_process_free(task) or sched_process_exit(task): the last of a process is its leader.
func (c *compiler) died(e *emitter, out label) {
	e.load(regScratch, place{regCtx, 0}, asm.DWord)
	readKernel(e, parentPlace(), regScratch, c.f.Task.PID)
	readKernel(e, childPlace(), regScratch, c.f.Task.TGID)
	e.load(asm.R0, parentPlace(), asm.Word)
	e.load(asm.R1, childPlace(), asm.Word)
	e.jumpReg(asm.JNE, asm.R0, asm.R1, out)
	if c.f.Namespace.Ino != 0 {
		c.numberInNamespace(e, childPlace(), regScratch)
	}
	e.mapPtr(asm.R1, c.use(PIDsMap))
	e.addr(asm.R2, childPlace())
	e.call(asm.FnMapDeleteElem)
}

// upidSize is sizeof(struct upid): int nr, struct pid_namespace *ns.
const upidSize = 16

// numberInNamespace reads task->thread_pid->numbers[level].nr. Of a process that has just been forked this is its thread
// group too.
func (c *compiler) numberInNamespace(e *emitter, to place, task asm.Register) {
	pointer := place{asm.R10, -32}
	e.addr(asm.R1, pointer)
	e.imm(asm.R2, 8)
	e.mov(asm.R3, task)
	e.opImm(asm.Add, asm.R3, int64(c.f.Task.ThreadPID))
	e.call(asm.FnProbeReadKernel)
	e.load(task, pointer, asm.DWord)
	readKernel(e, to, task, c.f.Task.Numbers+upidSize*c.f.Namespace.Level)
}

// readKernel reads 4 bytes at an offset from a kernel address.
func readKernel(e *emitter, to place, base asm.Register, offset int) {
	e.storeImm(to, 0, asm.DWord)
	e.addr(asm.R1, to)
	e.imm(asm.R2, 4)
	e.mov(asm.R3, base)
	e.opImm(asm.Add, asm.R3, int64(offset))
	e.call(asm.FnProbeReadKernel)
}
