package kernel

import (
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestKernelTypesAgreeWithAFullParser(t *testing.T) {
	fixture.NeedRoot(t)
	began := time.Now()
	types, err := openKernelTypes()
	if err != nil {
		t.Fatal(err)
	}
	defer types.close()
	fn := &wanted{kind: btfFunc, name: "schedule"}
	task := &wanted{kind: btfStruct, name: "task_struct"}
	absent := &wanted{kind: btfFunc, name: "no_such_function_of_the_kernel"}
	types.find(fn, task, absent)
	t.Logf("searched in %v", time.Since(began))

	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	var wantFn *btf.Func
	var wantTask *btf.Struct
	for name, typ := range map[string]any{fn.name: &wantFn, task.name: &wantTask} {
		if err := spec.TypeByName(name, typ); err != nil {
			t.Fatal(err)
		}
	}
	if id, _ := spec.TypeID(wantFn); int32(id) != fn.id {
		t.Errorf("%s is type %d, want %d", fn.name, fn.id, id)
	}
	if absent.id != 0 {
		t.Errorf("%s is type %d", absent.name, absent.id)
	}
	for _, m := range wantTask.Members {
		if m.Name != "pid" && m.Name != "tgid" && m.Name != "thread_pid" && m.Name != "comm" {
			continue
		}
		if at, err := types.member(task, m.Name); err != nil || at != int(m.Offset.Bytes()) {
			t.Errorf("task_struct.%s is at %d (%v), want %d", m.Name, at, err, m.Offset.Bytes())
		}
	}
	if _, err := types.member(task, "no_such_member"); err == nil {
		t.Error("a member that is not there was found")
	}
}

func TestBrokenKernelTypesAreAnError(t *testing.T) {
	raw, err := os.ReadFile(vmlinuxBTF)
	if err != nil {
		t.Skip("left out: no " + vmlinuxBTF)
	}
	for name, broken := range map[string][]byte{
		"empty": nil, "short": raw[:20], "not BTF": make([]byte, 64), "header only": raw[:btfHeader], "cut": raw[:1000],
	} {
		if _, err := parseKernelTypes(broken); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	types, err := parseKernelTypes(raw)
	if err != nil {
		t.Fatal(err)
	}
	types.types = types.types[:1001] // ends inside a record
	types.find(&wanted{kind: btfFunc, name: "bpf_copy_from_user_str"})
}
