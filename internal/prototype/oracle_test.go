package prototype

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// headers are what declares a table's functions on a system with development packages.
var headers = map[string]string{
	"malloc":     "stdlib malloc",
	"libdl":      "dlfcn link",
	"libpthread": "pthread semaphore threads sched signal",
	"libm":       "math complex fenv",
	"libc": "aio arpa/inet arpa/nameser argz assert complex ctype dirent dlfcn err errno error execinfo fcntl fnmatch ftw getopt glob grp iconv ifaddrs inttypes " +
		"langinfo libgen libintl link locale malloc math mcheck mntent mqueue net/if netdb netinet/in netinet/tcp nl_types poll pthread pty pwd regex resolv " +
		"sched search semaphore setjmp shadow signal spawn stdio stdlib string strings sys/acct sys/auxv sys/epoll sys/eventfd sys/fanotify sys/file sys/fsuid " +
		"sys/inotify sys/ioctl sys/ipc sys/mman sys/mount sys/msg sys/personality sys/poll sys/prctl sys/ptrace sys/random sys/reboot sys/resource sys/select " +
		"sys/sem sys/sendfile sys/shm sys/signalfd sys/socket sys/stat sys/statfs sys/statvfs sys/swap sys/sysinfo sys/syscall sys/syslog sys/time sys/timerfd " +
		"sys/times sys/timex sys/types sys/ucontext sys/uio sys/un sys/utsname sys/vfs sys/wait sys/xattr termios time ucontext uchar unistd utime utmp wchar " +
		"wctype wordexp sys/pidfd",
	"libssl":     "openssl/ssl openssl/err",
	"libcrypto":  "openssl/evp openssl/bio openssl/err openssl/rsa openssl/ec openssl/ecdsa openssl/dh openssl/x509 openssl/x509v3 openssl/pem openssl/rand openssl/hmac openssl/sha openssl/md5 openssl/aes openssl/crypto openssl/bn openssl/dsa openssl/pkcs12 openssl/conf openssl/engine openssl/kdf openssl/provider openssl/core_names openssl/ecdh openssl/cmac",
	"zlib":       "zlib",
	"libpq":      "postgresql/libpq-fe",
	"libsqlite3": "sqlite3",
	"libmariadb": "mariadb/mysql",
}

// different are functions that glibc's headers declare in another way on purpose: transparent unions, enums instead of int,
// structures that are opaque here. A pointer to something else changes nothing for us.
var different = regexp.MustCompile(`^(` +
	`basename|accept4?|bind|connect|getpeername|getsockname|recvfrom|sendto|recvmmsg|sendmmsg|` + // __SOCKADDR_ARG
	`_?setjmp|longjmp|_longjmp|siglongjmp|__sigsetjmp|getcontext|setcontext|swapcontext|` +
	`posix_spawn.*|getitimer|setitimer|[gs]etpriority|getrlimit|setrlimit|prlimit|ptrace|waitid|wait3|wait4|gai.*|getaddrinfo_a|semctl|ioctl` +
	`)$`)

// TestOurDeclarationsAgreeWithTheHeaders lets the compiler compare: a second declaration must be compatible with the first.
func TestOurDeclarationsAgreeWithTheHeaders(t *testing.T) {
	fixture.Need(t, "gcc")
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			table, mistake := parse(ownText(l.name), base())
			if mistake != nil {
				t.Fatal(mistake)
			}
			checkFunctions(t, l.name, table)
			checkLayouts(t, l.name, table)
		})
	}
}

func includes(name string) string {
	var b strings.Builder
	b.WriteString("#define _GNU_SOURCE\n#define OPENSSL_SUPPRESS_DEPRECATED\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <time.h>\n#include <sys/types.h>\n")
	for _, h := range strings.Fields(headers[name]) {
		fmt.Fprintf(&b, "#if __has_include(<%s.h>)\n#include <%s.h>\n#endif\n", h, h)
	}
	return b.String()
}

func checkFunctions(t *testing.T, name string, table *Table) {
	names := table.Functions()
	sort.Strings(names)
	src := includes(name)
	line := strings.Count(src, "\n")
	for _, f := range names {
		sig, _ := table.Lookup(f)
		src += sig.String("("+f+")") + ";\n"
	}
	for n, message := range gccErrors(t, src) {
		if n <= line || n > line+len(names) || different.MatchString(names[n-line-1]) {
			continue
		}
		t.Errorf("%s: %s", strings.Split(src, "\n")[n-1], message)
	}
}

// checkLayouts compares sizes and member offsets. A member or type that this system's headers do not have is no mistake.
func checkLayouts(t *testing.T, name string, table *Table) {
	src := includes(name)
	var facts []string
	line := strings.Count(src, "\n")
	for tag, typ := range table.tags {
		if typ.Kind == ctype.Struct || typ.Kind == ctype.Union {
			facts = append(facts, layoutFacts(tag, typ)...)
		}
	}
	for name, typ := range table.types {
		if typ.Sizeof() > 0 && typ.Underlying().Kind != ctype.Func {
			facts = append(facts, layoutFacts(name, typ.Underlying())...)
		}
	}
	for tag, typ := range table.tags {
		for _, e := range typ.Enumerators {
			if tag != "enum signal_set" { // bits, not numbers
				facts = append(facts, fmt.Sprintf("(long long)(unsigned)(%s) == %d || (long long)(%s) == %d", e.Name, e.Value, e.Name, e.Value))
			}
		}
	}
	sort.Strings(facts)
	for _, f := range facts {
		src += "_Static_assert(" + f + ", \"\");\n"
	}
	for n, message := range gccErrors(t, src) {
		if n > line && strings.Contains(message, "static assertion failed") {
			t.Errorf("not so: %s", facts[n-line-1])
		}
	}
}

func layoutFacts(name string, typ *ctype.Type) []string {
	facts := []string{fmt.Sprintf("sizeof(%s) == %d", name, typ.Sizeof())}
	for _, f := range typ.Fields {
		if f.Name != "" && f.BitSize == 0 {
			facts = append(facts, fmt.Sprintf("__builtin_offsetof(%s, %s) == %d", name, f.Name, f.Offset))
		}
	}
	return facts
}

var gccLine = regexp.MustCompile(`(?m)^[^\n:]*:(\d+):\d+: error: (.*)$`)

// gccErrors gives the compiler's complaints by line.
func gccErrors(t *testing.T, src string) map[int]string {
	path := filepath.Join(t.TempDir(), "oracle.c")
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("gcc", "-fsyntax-only", "-fmax-errors=0", "-fno-builtin", "-w", path).CombinedOutput()
	complaints := map[int]string{}
	for _, m := range gccLine.FindAllStringSubmatch(string(out), -1) {
		var n int
		fmt.Sscan(m[1], &n)
		if _, ok := complaints[n]; !ok && strings.Contains(m[0], "oracle.c") {
			complaints[n] = m[2]
		}
	}
	return complaints
}

// TestSystemHeadersAreReadAsTheCompilerReadsThem: after the preprocessor every declaration is understood, and every
// structure laid out as the compiler does.
func TestSystemHeadersAreReadAsTheCompilerReadsThem(t *testing.T) {
	fixture.Need(t, "gcc")
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			cmd := exec.Command("gcc", "-E", "-xc", "-")
			cmd.Stdin = strings.NewReader(includes(l.name))
			text, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			table, mistake := parse(string(text), base())
			if mistake != nil {
				t.Fatalf("%v: %q", mistake, mistake.Text[max(mistake.Span.From-100, 0):min(mistake.Span.To+100, len(mistake.Text))])
			}
			checkLayouts(t, l.name, table)
		})
	}
}
