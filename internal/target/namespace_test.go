package target

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// copyFile copies a file with its folders made and gives the copy's path.
func copyFile(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	return fixture.CopyTo(t, from, to)
}

// jail makes a folder with a dynamically linked program and all it needs: libc behind an absolute symbolic link.
func jail(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := fixture.Build(t, "c/idle.c")
	copyFile(t, program, dir+"/bin/idle")
	copyFile(t, "/lib64/ld-linux-x86-64.so.2", dir+"/lib64/ld-linux-x86-64.so.2")
	libc, err := FindLibrary("libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, libc.Open, dir+"/opt/real-libc.so")
	libm, err := FindLibrary("libm.so.6")
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, libm.Open, dir+"/lib64/libm.so.6")
	if err := os.Symlink("/opt/real-libc.so", dir+"/lib64/libc.so.6"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNamesResolveInTheProcessesOwnRoot(t *testing.T) {
	fixture.NeedRoot(t)
	dir := jail(t)
	cmd := exec.Command("/bin/idle", "libm.so.6")
	cmd.Err = nil // the path is the jail's
	cmd.Dir = "/"
	cmd.Env = []string{"LD_LIBRARY_PATH=/lib64"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	p, _ := idle(t, cmd)
	if p.Exe != "/bin/idle" {
		t.Errorf("program %s", p.Exe)
	}
	objects, err := p.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for path, file := range map[string]string{"/bin/idle": "/bin/idle", "/lib64/libm.so.6": "/lib64/libm.so.6", "/opt/real-libc.so": "/opt/real-libc.so"} {
		wantObject(t, objects, path, dir+file)
	}
	libc, err := p.FindLibrary("libc")
	if err != nil || libc.Path != "/lib64/libc.so.6" || (identity{libc.Dev, libc.Ino}) != fileID(dir+"/opt/real-libc.so") {
		t.Errorf("FindLibrary: %+v %v", libc, err)
	}
	mapped, err := p.Library("libc.so.6")
	if err != nil || mapped.Path != "/opt/real-libc.so" {
		t.Errorf("Library by soname: %+v %v", mapped, err)
	}
	byPath, err := p.Library("/lib64/libc.so.6")
	if err != nil || byPath.Path != "/opt/real-libc.so" {
		t.Errorf("Library by path: %+v %v", byPath, err)
	}
	_, err = p.Find("/bin/true")
	wantDiagnostic(t, "a path of our root", err, NoProgram, "whose root is not ours")
}

// wantObject checks that an object of a path leads to a file of ours.
func wantObject(t *testing.T, objects []Object, path, file string) {
	t.Helper()
	for _, o := range objects {
		if o.Path == path {
			want := fileID(file)
			if fileID(o.Open) != want || (identity{o.Dev, o.Ino}) != want || o.Note != "" {
				t.Errorf("%+v is not %s", o, file)
			}
			if again, err := Find(o.Open); err != nil || fileID(again.Open) != want {
				t.Errorf("%s leads to %+v (%v), not to %s", o.Open, again, err, file)
			}
			return
		}
	}
	t.Errorf("no object %s among %+v", path, objects)
}

func TestNamesResolveInTheProcessesOwnMounts(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	libz, err := FindLibrary("libz.so.1")
	if err != nil {
		t.Fatal(err)
	}
	hidden := copyFile(t, libz.Open, dir+"/seen/libz.so.1")
	copyFile(t, libz.Open, dir+"/hiding/libz.so.1")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TARGET_TEST="+strings.Join([]string{"own-mounts", dir + "/hiding", dir + "/seen", fixture.Build(t, "c/idle.c"), "libz.so.1"}, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	p, _ := idle(t, cmd)
	own, err := Open(os.Getpid())
	if err != nil || p.MountNS == own.MountNS {
		t.Fatalf("mount namespaces %d and %d, %v", p.MountNS, own.MountNS, err)
	}
	objects, err := p.Objects()
	if err != nil {
		t.Fatal(err)
	}
	wantObject(t, objects, hidden, dir+"/hiding/libz.so.1")
	for _, find := range []func(string) (Object, error){p.Library, p.FindLibrary} {
		o, err := find("z")
		if err != nil || o.Path != hidden || (identity{o.Dev, o.Ino}) != fileID(dir+"/hiding/libz.so.1") || !strings.HasPrefix(o.Open, "/proc/") {
			t.Errorf("%+v %v", o, err)
		}
	}
}

func TestAStaticProgramMapsNoLibraries(t *testing.T) {
	p, _ := idle(t, exec.Command(fixture.Build(t, "c/idle.c", "-static")))
	objects, err := p.Objects()
	if err != nil || len(objects) != 1 || !objects[0].Program {
		t.Errorf("%+v %v", objects, err)
	}
	_, err = p.Library("libc")
	wantDiagnostic(t, "static", err, NoLibrary, "statically")
}

func TestMuslsLoaderIsLibc(t *testing.T) {
	p, _ := idle(t, exec.Command(fixture.Build(t, "c/idle.c", "CC=musl-gcc", "-O2")))
	libc, err := p.Library("libc")
	if err != nil || !strings.Contains(libc.Path, "musl") {
		t.Errorf("%+v %v", libc, err)
	}
	pthread, err := p.Library("pthread")
	if err != nil || pthread.Ino != libc.Ino || pthread.Note == "" {
		t.Errorf("%+v %v", pthread, err)
	}
}

func TestContainersOfCgroupPaths(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ text, id, runtime, unified string }{
		{"0::/system.slice/docker-" + id + ".scope\n", id, "docker", "/system.slice/docker-" + id + ".scope"},
		{"0::/system.slice/docker-" + id + ".scope/init\n", id, "docker", "/system.slice/docker-" + id + ".scope"},
		{"12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n", id, "docker", ""},
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id + ".scope\n", id, "containerd",
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id + ".scope"},
		{"0::/kubepods/besteffort/pod12-34/" + id + "\n", id, "containerd", "/kubepods/besteffort/pod12-34/" + id},
		{"0::/kubepods.slice/x.slice/crio-" + id + ".scope\n", id, "cri-o", "/kubepods.slice/x.slice/crio-" + id + ".scope"},
		{"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container\n", id, "podman",
			"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope"},
		{"0::/default/" + id, id, "containerd", "/default/" + id},
		{"0::/lxc.payload.web/system.slice/x.service\n", "web", "lxc", "/lxc.payload.web"},
		{"0::/lxc/web\n", "web", "lxc", "/lxc/web"},
		{"0::/machine.slice/machine-box.scope/payload\n", "box", "nspawn", "/machine.slice/machine-box.scope"},
		{"0::/user.slice/user-1000.slice/session-2.scope\n", "", "", ""},
		{"0::/\n4:memory:/process_api/927105b7d21a3338e5f3904c43d04572\n", "", "", ""},
		{"", "", "", ""}, {"x\n::\n0:\n", "", "", ""},
	} {
		id, runtime, unified := parseCgroup(c.text)
		if id != c.id || runtime != c.runtime || unified != c.unified {
			t.Errorf("%q: %q %q %q", c.text, id, runtime, unified)
		}
	}
	_, err := FindContainer("no-such-container")
	wantDiagnostic(t, "container", err, NoContainer, "no-such-container")
}
