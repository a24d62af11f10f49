package capture_test

import (
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
	"github.com/sonde-project/sonde/internal/prototype"
)

// TestLibraryCallsReadAsStraceWouldWriteThem: functions of our own prototypes, from registers and memory to text.
func TestLibraryCallsReadAsStraceWouldWriteThem(t *testing.T) {
	for _, test := range []struct {
		library, function string
		entry             func(m *plantest.Machine)
		exit              func(m *plantest.Machine)
		want              string
	}{
		{"libc", "open", func(m *plantest.Machine) { m.Set(ctype.RDI, m.Text("/etc/passwd")).Set(ctype.RSI, 0o2000000) },
			func(m *plantest.Machine) { m.Set(ctype.RAX, 3) }, `path="/etc/passwd", flags=O_RDONLY|O_CLOEXEC = 3`},
		{"libc", "read", func(m *plantest.Machine) { m.Set(ctype.RDI, 3).Set(ctype.RSI, 0x2000).Set(ctype.RDX, 4096) },
			func(m *plantest.Machine) {
				m.Put(0x2000, []byte("root:x:0:0"))
				m.Set(ctype.RAX, 6)
			}, `fd=3, buf="root:x", count=4096 = 6`},
		{"libc", "read", func(m *plantest.Machine) { m.Set(ctype.RDI, 3).Set(ctype.RSI, 0x2000).Set(ctype.RDX, 4096) },
			func(m *plantest.Machine) { m.Set(ctype.RAX, ^uint64(0)) }, `fd=3, buf=0x2000, count=4096 = -1`},
		{"libc", "write", func(m *plantest.Machine) {
			m.Set(ctype.RDI, 1).Set(ctype.RSI, m.Alloc([]byte("hi\n")...)).Set(ctype.RDX, 3)
		},
			func(m *plantest.Machine) { m.Set(ctype.RAX, 3) }, `fd=1, buf="hi\n", count=3 = 3`},
		{"libc", "writev", func(m *plantest.Machine) {
			a, b := m.Alloc([]byte("one")...), m.Alloc([]byte("two!")...)
			m.Set(ctype.RDI, 1).Set(ctype.RSI, m.Words(a, 3, b, 4)).Set(ctype.RDX, 2)
		}, func(m *plantest.Machine) { m.Set(ctype.RAX, 7) },
			`fd=1, iov={{iov_base="one", iov_len=3}, {iov_base="two!", iov_len=4}}, iovcnt=2 = 7`},
		{"libc", "fread", func(m *plantest.Machine) {
			m.Set(ctype.RDI, 0x2000).Set(ctype.RSI, 2).Set(ctype.RDX, 2).Set(ctype.RCX, m.Alloc(append(make([]byte, 112), 5, 0, 0, 0)...))
		}, func(m *plantest.Machine) {
			m.Put(0x2000, []byte("abcdef"))
			m.Set(ctype.RAX, 2)
		}, `ptr="abcd", size=2, nmemb=2, stream=&{fd=5} = 2`},
		{"libc", "connect", func(m *plantest.Machine) {
			m.Set(ctype.RDI, 4).Set(ctype.RSI, m.Alloc(append([]byte{10, 0, 1, 187, 0, 0, 0, 0}, make([]byte, 20)...)...)).Set(ctype.RDX, 28)
		}, func(m *plantest.Machine) { m.Set(ctype.RAX, 0) }, `fd=4, addr=[::]:443, addrlen=28 = 0`},
		{"libc", "accept", func(m *plantest.Machine) {
			m.Set(ctype.RDI, 4).Set(ctype.RSI, 0x2000).Set(ctype.RDX, 0x3000)
			m.Put(0x3000, []byte{16, 0, 0, 0})
		}, func(m *plantest.Machine) {
			m.Put(0x2000, []byte{2, 0, 0x1f, 0x90, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
			m.Put(0x3000, []byte{16, 0, 0, 0})
			m.Set(ctype.RAX, 5)
		}, `fd=4, addr=10.0.0.1:8080, addrlen=&16 = 5`},
		{"libc", "pipe", func(m *plantest.Machine) { m.Set(ctype.RDI, 0x2000) },
			func(m *plantest.Machine) { m.Put(0x2000, plantest.Words(4<<32|3)) }, `pipefd={3, 4} = 0`},
		{"libc", "nanosleep", func(m *plantest.Machine) { m.Set(ctype.RDI, m.Words(1, 500)) },
			func(m *plantest.Machine) {}, `request=&{tv_sec=1, tv_nsec=500}, remain=NULL = 0`},
		{"libc", "kill", func(m *plantest.Machine) { m.Set(ctype.RDI, 77).Set(ctype.RSI, 15) },
			func(m *plantest.Machine) {}, `pid=77, sig=SIGTERM = 0`},
		{"libc", "pthread_mutex_lock", func(m *plantest.Machine) { m.Set(ctype.RDI, m.Page(1)) },
			func(m *plantest.Machine) { m.Set(ctype.RAX, 35) }, `mutex=0x555500001000 = EDEADLK`},
		{"libc", "execve", func(m *plantest.Machine) {
			m.Set(ctype.RDI, m.Text("/bin/ls")).Set(ctype.RSI, m.Words(m.Text("ls"), m.Text("-l"), 0)).Set(ctype.RDX, 0)
		}, func(m *plantest.Machine) {}, `path="/bin/ls", argv=&"ls", envp=NULL = 0`},
		{"sqlite3", "sqlite3_prepare_v2", func(m *plantest.Machine) {
			m.Set(ctype.RDI, 0x2000).Set(ctype.RSI, m.Text("SELECT 1")).Set(ctype.RDX, ^uint64(0)).Set(ctype.RCX, 0x3000)
		}, func(m *plantest.Machine) { m.Put(0x3000, plantest.Words(0x4000)) },
			`db=0x2000, sql="SELECT 1", nByte=-1, ppStmt=&0x4000, tail=NULL = SQLITE_OK`},
	} {
		sig, ok := prototype.Lookup(test.library, test.function)
		if !ok {
			t.Errorf("%s:%s has no prototype", test.library, test.function)
			continue
		}
		entry, exit := plantest.NewMachine(), plantest.NewMachine()
		test.entry(entry)
		test.exit(exit)
		if got := line(call(t, sig, plan.DefaultLimits(), entry, exit, nil)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.function, got, test.want)
		}
	}
}
