package inject

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// Each scope of Yama has its own way out; where there is no Yama it is a matter of users.
func TestWhatForbidsTracingSaysWhatToDo(t *testing.T) {
	for scope, c := range map[string]struct{ says, hint string }{
		"":  {"belongs to another user", "as root"},
		"0": {"PR_SET_DUMPABLE", "as root"},
		"1": {"own ancestors", "-- COMMAND"},
		"2": {"CAP_SYS_PTRACE", "to 0 or 1"},
		"3": {"until the next boot", "--engine=kernel"},
	} {
		var d *script.Diagnostic
		if err := forbidden("process 7 may not be traced", scope); !errors.As(err, &d) || d.Code != script.NotPermitted ||
			!strings.Contains(d.Message, c.says) || !strings.Contains(strings.Join(d.Hints, "; "), c.hint) {
			t.Errorf("scope %q: %+v", scope, d)
		}
	}
}

// A program that forbids it is not permitted to a user without capabilities, though it is that user's own; it runs on.
func TestProgramThatForbidsItIsNotPermitted(t *testing.T) {
	fixture.NeedRoot(t)
	path := fixture.Build(t, "engine/hot.c", "-DNOT_DUMPABLE")
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd := exec.Command(path, "2")
	cmd.SysProcAttr = nobody
	h := startCommand(t, cmd, path)
	tracer := exec.Command(asNobody(t), "-test.run=^$")
	tracer.SysProcAttr = nobody
	tracer.Env = append(os.Environ(), "INJECT_TRACER=exact", "INJECT_PID="+strconv.Itoa(h.pid()), "INJECT_PATH="+path, "INJECT_WORDS="+h.words())
	if out, err := tracer.CombinedOutput(); err == nil || !strings.Contains(string(out), "[not-permitted]") {
		t.Errorf("%v\n%s", err, out)
	}
	h.untouched(h.code["fold"])
	h.end()
}

// A program of another kind of machine is refused by its kind, and runs on.
func TestProgramOf32BitsIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "waits32")
	if err := os.WriteFile(path, waits32(), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err) // the kernel would have to be built without CONFIG_IA32_EMULATION
	}
	defer func() { _ = cmd.Process.Kill() }()
	_, err := Open(cmd.Process.Pid)
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != Foreign || len(d.Hints) == 0 {
		t.Errorf("%v", err)
	}
	_ = in.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%v", err)
	}
}

// waits32 is a program of 32 bits: read(0, the stack, 1); exit(7).
func waits32() []byte {
	const base, head, entry = 0x08048000, 52, 32
	code := []byte{
		0x31, 0xdb, 0x89, 0xe1, 0xba, 1, 0, 0, 0, 0xb8, 3, 0, 0, 0, 0xcd, 0x80, // xor ebx,ebx; mov ecx,esp; mov edx,1; mov eax,3; int 0x80
		0xbb, 7, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0xcd, 0x80, // mov ebx,7; mov eax,1; int 0x80
	}
	le := binary.LittleEndian
	size := uint32(head + entry + len(code))
	f := append([]byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 0}, make([]byte, 8)...)
	f = le.AppendUint16(le.AppendUint16(f, 2), 3) // ET_EXEC, EM_386
	for _, v := range []uint32{1, base + head + entry, head, 0, 0} {
		f = le.AppendUint32(f, v)
	}
	for _, v := range []uint16{head, entry, 1, 0, 0, 0} {
		f = le.AppendUint16(f, v)
	}
	for _, v := range []uint32{1, 0, base, base, size, size, 5, 0x1000} { // PT_LOAD, readable and executable
		f = le.AppendUint32(f, v)
	}
	return append(f, code...)
}

// Where memory that can run code is forbidden (vm.memfd_noexec is 2, here in a PID namespace of the program's own), the program is refused and
// left as it was.
func TestProgramThatMayNotMakeCodeIsRefused(t *testing.T) {
	fixture.NeedRoot(t)
	path := fixture.Build(t, "engine/hot.c")
	cmd := exec.Command("sh", "-c", `echo 2 > /proc/sys/vm/memfd_noexec && exec "$0" 2`, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	h := startCommand(t, cmd, path)
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fold := h.code["fold"]
	_, _, err = p.Map(Request{Near: []Span{{fold.addr, fold.addr + 16}}, Text: 4096, Data: 4096, Sites: 1})
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != script.NotPermitted || !strings.Contains(d.Message, "memfd_noexec") || len(d.Hints) == 0 {
		t.Errorf("%v", err)
	}
	h.untouched(fold)
	h.end()
}
