package kernel

import (
	"errors"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
)

// nothing is a program that returns 0.
func nothing() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
}

func calls(helper asm.BuiltinFunc) asm.Instructions {
	return append(asm.Instructions{helper.Call()}, nothing()...)
}

// hasMulti asks for a link on a folder. A kernel that knows uprobe_multi says that this is no file to probe (EBADF), one that
// does not says EINVAL.
func hasMulti() bool { return errors.Is(linkFolder(multiLink{}), unix.EBADF) }

// hasSession asks the same of a link that a session wants.
func hasSession() bool { return errors.Is(linkFolder(multiLink{session: true}), unix.EBADF) }

// hasPIDFilter says whether the PID of a uprobe_multi link means a process. Until 6.10 it meant the one thread with
// that number. The commit that mended it also began to refuse impossible PIDs before looking at the file.
func hasPIDFilter() bool { return errors.Is(linkFolder(multiLink{pid: 0xffffffff}), unix.EINVAL) }

func linkFolder(l multiLink) error {
	t := trial{kind: ebpf.Kprobe, attachType: attachUprobeMulti, code: nothing()}
	if l.session {
		t.attachType = attachSession
	}
	prog, err := t.load()
	if err != nil {
		return err
	}
	defer unix.Close(prog)
	l.prog, l.path, l.offsets = prog, "/", []uint64{0}
	fd, err := linkMulti(l)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// hasCookies tells kernels since 5.15.
func hasCookies() bool {
	return trial{kind: ebpf.Kprobe, code: calls(asm.FnGetAttachCookie)}.loads()
}

func hasRingBuf() bool {
	fd, err := createMap(ebpf.RingBuf, 0, 0, uint32(os.Getpagesize()))
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// hasSleepable says whether a uprobe program may take page faults.
func hasSleepable(multi bool) bool { return sleeping(multi, nothing()).loads() }

func sleeping(multi bool, code asm.Instructions) trial {
	t := trial{kind: ebpf.Kprobe, flags: unix.BPF_F_SLEEPABLE, code: code}
	if multi {
		t.attachType = attachUprobeMulti
	}
	return t
}

// hasKfunc says whether a sleepable uprobe program may call bpf_copy_from_user_str, whose type is id: the kernel may know
// a kfunc and not offer it to uprobes.
//
//	r1 = room on the stack, r2 = its size, r3 = address, r4 = flags
func hasKfunc(multi bool, id int32) bool {
	if id == 0 {
		return false
	}
	const pseudoKfuncCall = 2 // BPF_PSEUDO_KFUNC_CALL in src_reg
	call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: pseudoKfuncCall, Constant: int64(id)}
	return sleeping(multi, asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8),
		asm.StoreImm(asm.RFP, -8, 0, asm.Word), asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Imm(asm.R2, 8), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0),
		call,
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}).loads()
}

// hasTaskStorage says whether uprobe programs may keep memory with a thread.
func hasTaskStorage() bool {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: namePrefix + "try", Type: ebpf.TaskStorage, KeySize: 4, ValueSize: 8, Flags: unix.BPF_F_NO_PREALLOC,
		Key: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Value: &btf.Int{Name: "long", Size: 8},
	})
	if err != nil {
		return false
	}
	defer m.Close()
	code := append(asm.Instructions{
		asm.FnGetCurrentTaskBtf.Call(),
		asm.Mov.Reg(asm.R2, asm.R0),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 1),
		asm.FnTaskStorageGet.Call(),
	}, nothing()...)
	return trial{kind: ebpf.Kprobe, code: code}.loads()
}

func hasSignedDivision() bool {
	return trial{kind: ebpf.Kprobe, code: append(asm.Instructions{
		asm.Mov.Imm(asm.R0, -6), asm.SDiv.Imm(asm.R0, 2),
	}, nothing()...)}.loads()
}

// hasMayGoto tries a loop's end that the kernel decides: r0 = 0; may_goto +1; r0 = 0; exit.
func hasMayGoto() bool {
	const (
		jcond = 0xe5 // BPF_JMP | BPF_JCOND
		mov   = 0xb7 // BPF_ALU64 | BPF_MOV | BPF_K, of r0
		exit  = 0x95
	)
	fd, err := loadRaw(trial{kind: ebpf.Kprobe}, []byte{
		mov, 0, 0, 0, 0, 0, 0, 0,
		jcond, 0, 1, 0, 0, 0, 0, 0,
		mov, 0, 0, 0, 0, 0, 0, 0,
		exit, 0, 0, 0, 0, 0, 0, 0,
	})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// initialPIDNamespace is PROC_PID_INIT_INO.
const initialPIDNamespace = 0xeffffffc

// pidNamespace says in which namespace this process sees process IDs.
func pidNamespace() codegen.Namespace {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil || st.Ino == initialPIDNamespace {
		return codegen.Namespace{}
	}
	return codegen.Namespace{Dev: st.Dev, Ino: st.Ino}
}

// namespaceLevel runs a program on this thread that reads current->thread_pid->level: procfs does not tell from inside.
// It gives 0 when the kernel does not run it.
func namespaceLevel(threadPID, level int) int {
	follow := func(offset, size int) asm.Instructions { // r0 = the number at r0 + offset
		return asm.Instructions{
			asm.Mov.Reg(asm.R3, asm.R0), asm.Add.Imm(asm.R3, int32(offset)),
			asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8),
			asm.Mov.Imm(asm.R2, int32(size)),
			asm.Mov.Imm(asm.R4, 0), asm.StoreMem(asm.RFP, -8, asm.R4, asm.DWord),
			asm.FnProbeReadKernel.Call(),
			asm.LoadMem(asm.R0, asm.RFP, -8, asm.DWord),
		}
	}
	code := asm.Instructions{asm.FnGetCurrentTask.Call()}
	code = append(code, follow(threadPID, 8)...)
	code = append(code, follow(level, 4)...)
	code = append(code, asm.LSh.Imm(asm.R0, 32), asm.RSh.Imm(asm.R0, 32), asm.Return())
	fd, err := trial{kind: ebpf.RawTracepoint, code: code}.load()
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	depth, err := runOnce(fd)
	if err != nil || depth > 32 { // MAX_PID_NS_LEVEL
		return 0
	}
	return int(depth)
}

// Support is what the kernel can do, all of it: what a report shows.
type Support struct {
	codegen.Features
	Cookies   bool // a program is told which site was hit
	PIDFilter bool // a uprobe_multi link can be narrowed to a process
	PerfEvent bool // uprobes as perf events
	Sessions  bool // a program runs at entries and at returns
}

// Probe asks the kernel for everything it can do. The error is that of Features.
func Probe() (Support, error) {
	f, err := Features(AllNeeds())
	if err != nil {
		return Support{}, err
	}
	_, perf := newPerfUprobe()
	return Support{Features: f, Cookies: hasCookies(), PIDFilter: f.Multi && hasPIDFilter(), PerfEvent: perf == nil, Sessions: hasSession()}, nil
}
