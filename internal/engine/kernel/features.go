package kernel

import (
	"slices"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

// Needs says what is asked of the kernel beyond running a program at a site. Only that is probed, because a run that only
// counts must not pay for what reads strings.
type Needs struct {
	Memory   bool // programs read user memory
	Scratch  bool // programs need more memory than their stack: records, texts, stacks
	Division bool // signed division
	Loops    bool
	Children bool // the process filter follows forks
	Threads  bool // thread-local variables
	// Trampolines: the kernel sees functions return.
	Trampolines bool
	// Returning: programs ask there which instruction was probed (pc), which is not the one that they are at.
	Returning bool
}

// AllNeeds is everything there is but Returning, without which a kernel is none to refuse.
func AllNeeds() Needs {
	return Needs{Memory: true, Scratch: true, Division: true, Loops: true, Children: true, Threads: true, Trampolines: true}
}

// NeedsOf looks at what a plan does.
func NeedsOf(p *plan.Plan) Needs {
	n := Needs{Children: p.Filter.Children, Scratch: len(p.Emissions) > 0}
	for i := range p.Probes {
		for j := range p.Probes[i].Bodies {
			n.Scratch = n.Scratch || p.Probes[i].Bodies[j].Frame != nil
		}
		if !slices.ContainsFunc(p.Probes[i].Sites, func(s plan.Site) bool { return s.Role == site.Trampoline }) {
			continue
		}
		n.Trampolines = true
		for j := range p.Probes[i].Bodies {
			p.WalkBody(&p.Probes[i].Bodies[j], func(node any) {
				v, ok := node.(*plan.Value)
				n.Returning = n.Returning || ok && v.B == plan.PC
			})
		}
	}
	p.Walk(func(node any) {
		switch node := node.(type) {
		case *plan.Load:
			n.Memory = true
		case *plan.Str, *plan.Buf:
			n.Memory, n.Scratch = true, true
		case *plan.VarRef, *plan.UserStack:
			n.Scratch = true
		case *plan.Slot:
			n.Memory = n.Memory || node.Kind == plan.SlotMem || node.Kind == plan.SlotStr || node.Kind == plan.SlotBuf
		case *plan.Loop:
			n.Loops, n.Scratch = true, true
		case *plan.Value:
			n.Threads = n.Threads || node.B == plan.ThreadPointer
		case *plan.Binary:
			n.Division = n.Division || node.Signed && (node.Op == "/" || node.Op == "%")
		}
	})
	return n
}

// Features asks the kernel what it can do, by trying: a version says little about a vendor's kernel. An error is a
// *script.Diagnostic: this process may not load programs, or the kernel lacks what nothing can replace.
func Features(n Needs) (codegen.Features, error) {
	if err := permitted(); err != nil {
		return codegen.Features{}, err
	}
	f := codegen.Features{Multi: hasMulti(), RingBuf: hasRingBuf(), Namespace: pidNamespace()}
	if n, err := ebpf.PossibleCPU(); err == nil {
		f.CPUs = n
	}
	if !f.Multi && !hasCookies() {
		return f, tooOld("BPF cookies, which tell a program where it was hit")
	}
	if n.Returning && !f.Multi {
		return f, &script.Diagnostic{Code: codeOldKernel, Message: "this kernel does not tell programs at returns where their function is (pc)",
			Hints: []string{"Linux 6.6 and later do; func names the function everywhere"}}
	}
	f.TaskStorage = n.Scratch && hasTaskStorage()
	f.CPUv4 = n.Division && hasSignedDivision()
	f.MayGoto = n.Loops && hasMayGoto()
	f.Sleepable = n.Memory && hasSleepable(f.Multi)
	wantTask := n.Children || n.Threads || n.Trampolines || f.Namespace.Dev != 0
	if !f.Sleepable && !wantTask {
		return f, nil
	}
	types, err := openKernelTypes()
	if err != nil {
		return f, nil // a kernel without BTF does without
	}
	defer types.close()
	fromTypes(types, &f)
	return f, nil
}

// Check says why this engine cannot run a plan here: a *script.Diagnostic, or nil.
func Check(p *plan.Plan) error {
	_, err := Features(NeedsOf(p))
	return err
}

// fromTypes fills in what the kernel's types tell.
func fromTypes(types *kernelTypes, f *codegen.Features) {
	copies := &wanted{kind: btfFunc, name: "bpf_copy_from_user_str"}
	task := &wanted{kind: btfStruct, name: "task_struct"}
	pid := &wanted{kind: btfStruct, name: "pid"}
	thread := &wanted{kind: btfStruct, name: "thread_struct"}
	uprobes := &wanted{kind: btfStruct, name: "uprobe_task"}
	types.find(copies, task, pid, thread, uprobes)
	if f.Sleepable && hasKfunc(f.Multi, copies.id) {
		f.CopyFromUserStr = copies.id
	}
	at := codegen.TaskOffsets{}
	var level int
	for _, m := range []struct {
		in   *wanted
		name string
		to   *int
	}{
		{task, "pid", &at.PID}, {task, "tgid", &at.TGID}, {task, "thread_pid", &at.ThreadPID},
		{pid, "numbers", &at.Numbers}, {pid, "level", &level},
	} {
		offset, err := types.member(m.in, m.name)
		if err != nil {
			return
		}
		*m.to = offset
	}
	threadAt, err := types.member(task, "thread")
	base, err2 := types.member(thread, "fsbase")
	if err == nil && err2 == nil {
		at.FSBase = threadAt + base
	}
	if at.Uprobes, err = types.member(task, "utask"); err == nil {
		at.Instances, err = types.member(uprobes, "depth")
	}
	if err != nil {
		at.Uprobes = 0
	}
	f.Task = at
	if f.Namespace.Dev != 0 {
		f.Namespace.Level = namespaceLevel(at.ThreadPID, level)
	}
}
