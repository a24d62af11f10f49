package codegen

// Features is what the kernel can do and where things lie in it. The engine probes it; the zero value is the oldest
// kernel that can be served.
type Features struct {
	Multi           bool  // programs are attached through uprobe_multi links
	Sleepable       bool  // uprobe programs may sleep
	CopyFromUserStr int32 // BTF type ID of the kfunc bpf_copy_from_user_str in vmlinux, 0 none
	RingBuf         bool
	Polled          bool // programs need not wake the ring's reader
	TaskStorage     bool // BPF_MAP_TYPE_TASK_STORAGE in uprobe programs
	CPUv4           bool // signed division
	MayGoto         bool // the may_goto instruction
	// LinkPID: the engine attaches with the kernel's own PID filter when Plan.Filter names one process without
	// its children, and that filter is right, so programs need not look.
	LinkPID bool
	// CPUs is the number of possible CPUs: it decides how many threads may update one map value without waiting for each other.
	CPUs      int
	Namespace Namespace
	Task      TaskOffsets
	// Decides: programs only decide which hits others get to see. They count those that they filter or lose and no others, and give 1 for a
	// hit that is handed on: by Trap, or at the entry of a call whose return is to be handed on too.
	Decides bool
	// Moved: sites are armed elsewhere than where the functions are. PlacesMap says which instruction is meant.
	Moved bool
}

// Namespace is the PID namespace in which process IDs are counted; the zero value is the initial one.
type Namespace struct {
	Dev, Ino uint64 // of /proc/self/ns/pid
	Level    int    // how deep it is nested, 0 the initial one
}

// TaskOffsets are byte offsets inside kernel structures, for the programs that follow forks. Task.TGID 0 means unknown.
type TaskOffsets struct {
	PID       int // task_struct.pid
	TGID      int // task_struct.tgid
	ThreadPID int // task_struct.thread_pid; used inside a PID namespace
	Numbers   int // pid.numbers; used inside a PID namespace
	FSBase    int // task_struct.thread.fsbase, 0 unknown
	Uprobes   int // task_struct.utask, 0 unknown
	Instances int // uprobe_task.depth: how many return addresses of the thread are replaced
}
