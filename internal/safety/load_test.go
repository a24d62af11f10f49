package safety

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// amount is how much load the programs get: one in every test run, many in the soak.
var amount = 1

// server is a real program under load.
type server struct {
	name   string
	needs  []string
	probes string
	long   bool // left to the soak
	argv   func(t *testing.T, dir string, port int) []string
	load   func(t *testing.T, dir string, port int) string // what the load must show in any case
}

var servers = []server{
	{
		name: "redis", needs: []string{"redis-server", "redis-benchmark", "redis-cli"}, probes: "libc:*",
		argv: func(t *testing.T, dir string, port int) []string {
			return []string{"redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no"}
		},
		load: func(t *testing.T, _ string, port int) string {
			must(t, "redis-benchmark", "-p", fmt.Sprint(port), "-q", "-c", "5", "-n", fmt.Sprint(200*amount), "-t", "set,get,incr,lpush,lpop,sadd,zadd,mset")
			return must(t, "redis-cli", "-p", fmt.Sprint(port), "get", "counter:__rand_int__") + must(t, "redis-cli", "-p", fmt.Sprint(port), "eval", "local s=0 for i=1,100 do s=s+i end return s", "0")
		},
	},
	{
		name: "nginx", needs: []string{"nginx", "curl"}, probes: "libc:* nginx:*",
		argv: func(t *testing.T, dir string, port int) []string {
			page := strings.Repeat("a page\n", 500)
			write(t, filepath.Join(dir, "index.html"), page)
			conf := filepath.Join(dir, "nginx.conf")
			write(t, conf, fmt.Sprintf("daemon off; user root; worker_processes 2; pid %s/pid; error_log %s/error.log; events {}\nhttp { access_log %s/access.log; gzip on; server { listen 127.0.0.1:%d; root %s; } }\n", dir, dir, dir, port, dir))
			return []string{"nginx", "-p", dir, "-c", conf}
		},
		load: func(t *testing.T, _ string, port int) string {
			url := fmt.Sprintf("http://127.0.0.1:%d/", port)
			if _, err := exec.LookPath("wrk"); err == nil {
				if out := must(t, "wrk", "-c", "4", "-t", "1", "-d", fmt.Sprintf("%ds", amount), url); strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") {
					t.Errorf("wrk: %s", out)
				}
			}
			return must(t, "curl", "-s", "--compressed", url)
		},
	},
	{
		name: "postgres", long: true, needs: []string{"/usr/lib/postgresql/15/bin/postgres", "pgbench", "psql", "setpriv"},
		probes: "libc:* /usr/lib/postgresql/15/bin/postgres:/^(Exec|heap_|pg_|Portal|Lock|Lw|Create|Get|palloc|Mem)/",
		argv: func(t *testing.T, dir string, port int) []string {
			data := filepath.Join(dir, "data")
			must(t, "chmod", "a+rx", filepath.Dir(dir), dir) // the test's own folder is root's alone
			must(t, "chown", "postgres", dir)
			must(t, "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "/usr/lib/postgresql/15/bin/initdb", "-D", data, "-A", "trust", "-N", "-E", "UTF8")
			return []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "/usr/lib/postgresql/15/bin/postgres",
				"-D", data, "-p", fmt.Sprint(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB"}
		},
		load: func(t *testing.T, dir string, port int) string {
			at := []string{"-h", "127.0.0.1", "-p", fmt.Sprint(port), "-U", "postgres"}
			must(t, "psql", append(at, "-c", "create table t (id int primary key, n int); insert into t select i, 0 from generate_series(1, 200) i", "postgres")...)
			script := filepath.Join(dir, "bench.sql")
			write(t, script, "\\set id random(1, 200)\nbegin;\nupdate t set n = n + 1 where id = :id;\nselect n, md5(id::text) from t where id = :id;\nend;\n")
			out := must(t, "pgbench", append(at, "-n", "-f", script, "-c", "2", "-t", fmt.Sprint(15*amount), "postgres")...)
			if !strings.Contains(out, "failed transactions: 0 ") {
				t.Errorf("pgbench: %s", out)
			}
			return must(t, "psql", append(at, "-At", "-c", "select count(*), sum(n) from t; select 1 / (n - n) from t", "postgres")...)
		},
	},
}

// Servers under load answer the same while hundreds of their functions are timed, and stop when asked to.
func TestServersUnderLoadDoNotNotice(t *testing.T) {
	for _, c := range servers {
		if c.long && amount == 1 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			fixture.Libraries(t, true)
			s := sonde(t)
			fixture.Need(t, c.needs...)
			alone, _ := c.run(t, nil)
			seen, log := c.run(t, append([]string{s.Path, "time", "-o", filepath.Join(s.Dir, "results.json")}, append(strings.Fields(c.probes), "--")...))
			if seen != alone {
				t.Errorf("answers %q, alone %q", tail(seen), tail(alone))
			}
			if !strings.Contains(log, " hits") {
				t.Errorf("sonde saw nothing: %s", tail(log))
			}
		})
	}
}

// run starts the server behind a prefix, loads it, stops it, and gives the answers and what went to standard error.
func (c server) run(t *testing.T, prefix []string) (answers, log string) {
	t.Helper()
	r := c.start(t, prefix)
	answers = c.load(t, r.dir, r.port)
	return answers, r.stop()
}

// serving is a server that runs.
type serving struct {
	t        *testing.T
	name     string
	dir      string
	port     int
	cmd      *exec.Cmd
	observed bool // from its start
	out      bytes.Buffer
	ended    chan error
}

func (c server) start(t *testing.T, prefix []string) *serving {
	t.Helper()
	r := &serving{t: t, name: c.name, dir: t.TempDir(), port: freePort(t), observed: len(prefix) > 0, ended: make(chan error, 1)}
	argv := append(prefix, c.argv(t, r.dir, r.port)...)
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.WaitDelay = 2 * time.Second
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) })
	if !listening(r.port, limit) {
		t.Fatalf("%s does not listen: %s", c.name, tail(r.out.String()))
	}
	time.Sleep(300 * time.Millisecond)
	return r
}

// stop asks it to end, and gives what it said.
func (r *serving) stop() string {
	r.t.Helper()
	syscall.Kill(serverPID(r.cmd.Process.Pid, r.observed), syscall.SIGINT)
	select {
	case <-r.ended:
	case <-time.After(limit):
		r.t.Errorf("%s does not stop", r.name)
	}
	return r.out.String()
}

// serverPID is the started process, or the one that sonde started.
func serverPID(pid int, observed bool) int {
	if !observed {
		return pid
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range tasks {
		if len(text) == 0 {
			text, _ = os.ReadFile(name)
		}
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return pid
	}
	child, _ := strconv.Atoi(fields[0])
	return child
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func listening(port int, patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

func must(t *testing.T, argv0 string, args ...string) string {
	t.Helper()
	out, err := Run(append([]string{argv0}, args...), time.Duration(amount)*limit)
	if err != nil || out.Hung {
		t.Errorf("%s %s: %v hung %v", argv0, strings.Join(args, " "), err, out.Hung)
	}
	return out.Stdout
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// work is a real program that works for a while. COMPILER in probes is Go's.
type work struct{ name, probes, shell string }

var works = []work{
	{"sort", "libc:* sort:*", `seq 2000 | sort -R --random-source=/etc/passwd | sort -n | md5sum`},
	{"go list", "go:/^(os|sync|strings|bytes|path)\\./", `cd $(go env GOROOT)/src && go list -deps errors unicode/utf8 && go version`},
}

// longWorks are those of the soak.
var longWorks = []work{
	{"python", "libc:*", `/usr/bin/python3 -I -S -c 'import json,hashlib,threading,zlib,re,decimal
r=[]
def f(n): r.append(hashlib.sha256(zlib.compress(json.dumps(list(range(n))).encode())).hexdigest())
t=[threading.Thread(target=f,args=(i*50,)) for i in range(6)]
[x.start() for x in t]; [x.join() for x in t]
try: 1//0
except ZeroDivisionError as e: r.append(str(e))
print(sorted(r), decimal.Decimal(2).sqrt(), re.sub("a+","b","caaat"))'`},
	{"python's own tests", "libc:p* libc:s* libc:r*", `/usr/bin/python3 -m test test_json test_re test_threading test_generators >/dev/null 2>&1 && echo passed`},
	{"go build of some packages", "go:/^(os|sync|strings|bytes|path|io|sort)\\./",
		`export GOCACHE=$(mktemp -d); go build -trimpath -o $GOCACHE/out cmd/gofmt && sha256sum < $GOCACHE/out; rm -rf $GOCACHE`},
	{"go build of some packages, how the compiler rewrites", "COMPILER:/^cmd.compile.internal.(ssa|types2)\\..*[rR]ewrite/",
		`export GOCACHE=$(mktemp -d); go build strconv sort unicode/utf8 && echo built; rm -rf $GOCACHE`},
	{"go build std, the compiler's passes", "COMPILER:/^cmd.compile.internal.(ssa\\.[a-z]+|(noder|inline|escape|walk)\\.[a-z]+[A-Z]?[a-zA-Z]*)$/",
		`export GOCACHE=$(mktemp -d); go build std && echo built; rm -rf $GOCACHE`},
}

// Programs that work for a while print the same, while hundreds of functions of theirs are timed.
func TestWorkingProgramsDoNotNotice(t *testing.T) {
	for _, c := range works {
		t.Run(c.name, func(t *testing.T) { c.unnoticed(t, "") })
		t.Run(c.name+", from inside", func(t *testing.T) { c.unnoticed(t, "user") })
	}
}

func (c work) unnoticed(t *testing.T, engine string) {
	fixture.Libraries(t, true)
	s := sonde(t)
	s.Engine = engine
	patience := time.Duration(amount) * limit
	s.Limit = patience
	argv := []string{"sh", "-c", c.shell}
	alone, err := Run(argv, patience)
	if err != nil || alone.Stdout == "" {
		t.Fatalf("alone: %v, status %d\n%s", err, alone.Status, tail(alone.Stderr))
	}
	probes := strings.ReplaceAll(c.probes, "COMPILER", strings.TrimSpace(must(t, "go", "tool", "-n", "compile")))
	seen, err := s.Observe("time", strings.Fields(probes), argv)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(seen.Stderr))
	}
	if wrong := Differences(alone, seen); len(wrong) > 0 || seen.Stats.Hits == 0 {
		t.Errorf("time %s: %d hits; %s\n%s", c.probes, seen.Stats.Hits, strings.Join(wrong, "\n  "), tail(seen.Stderr))
	}
}
