package target

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

func TestCtrlCReachesTheCommandAsFromAShell(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TARGET_TEST=run /bin/sleep 100")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(terminal)
	for lines.Scan() && lines.Text() != "released" {
	}
	if _, err := terminal.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	_ = cmd.Wait()
	if !strings.Contains(said, "ended by "+syscall.SIGINT.String()) {
		t.Errorf("after Ctrl-C it says %q", said)
	}
}
