package sonde_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A command is observed from inside where neither eBPF nor tracefs is permitted, without being asked to.
func TestACommandIsObservedFromInsideWhereNothingElseIsPermitted(t *testing.T) {
	const nobody, given = 65534, "SONDE_TEST_PROGRAM"
	if program := os.Getenv(given); program != "" {
		session, err := open(t, sonde.Command(program)).Count(t.Context(), program+":twice")
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Wait(); err != nil {
			t.Fatal(err)
		}
		if calls := counted(t, session); calls["twice"] != 10 {
			t.Errorf("%v", calls)
		}
		return
	}
	fixture.NeedRoot(t)
	tests := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	tests.Dir = "/"
	tests.Env = append(os.Environ(), "HOME=/nonexistent", given+"="+fixture.Build(t, "command/work.c"))
	tests.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := tests.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
