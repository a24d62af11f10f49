package safety

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// worker is a program that works for each line it reads and prints a digest of what came out; if it counts a function of its own, then also
// how often that was called so far.
type worker struct {
	name  string
	needs []string
	argv  func(t *testing.T) []string
	asks  string // what it reads as a line, if that is not all the same
	// observed gives who does the work, where that is not the program itself.
	observed func(p *working) int
	calls    string // the function that it counts
	hits     uint64 // how many calls there are at least in all libraries together
	long     bool   // left to the soak
}

func built(source string, flags ...string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		return []string{fixture.Build(t, source, append([]string{"-Wl,--no-as-needed"}, flags...)...)}
	}
}

func installed(program, script string) func(*testing.T) []string {
	return func(*testing.T) []string { return []string{program, filepath.Join(fixture.Dir(), script)} }
}

var workers = []worker{
	{name: "sqlite3", argv: built("safety/work/sqlite.c", "-lsqlite3"), calls: "fold", hits: 100_000},
	{name: "libcrypto", argv: built("safety/work/crypto.c", "-lcrypto"), calls: "add", hits: 100_000},
	{name: "libstdc++", argv: built("safety/work/library.cc", "-std=c++20"), calls: "descend", hits: 100_000},
	{name: "python3", needs: []string{"/usr/bin/python3"}, argv: installed("/usr/bin/python3", "engine/everything.py"), hits: 1_000_000, long: true},
	{name: "backend of postgres", needs: []string{"psql"}, argv: backend, asks: query, observed: backendPID, hits: 1_000_000, long: true},
	{name: "node", needs: []string{"node"}, argv: installed("node", "safety/work/node.js"), calls: "uv_os_getpriority", hits: 1_000_000, long: true},
}

// A running program of which every function of every library is probed from inside gives the same results, is counted as it counts itself, and
// is left as it was.
func TestWholeProgramsWorkAttachedTo(t *testing.T) { wholePrograms(t, false, "user") }

// A program is attached to, whole, and left again while it works, and does not notice.
func TestWholeProgramsAreAttachedToWhileTheyWork(t *testing.T) { whileWorking(t, false, 2) }

func whileWorking(t *testing.T, long bool, times int) {
	for _, w := range workers {
		if w.long != long {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			fixture.Libraries(t, true)
			s := sonde(t)
			fixture.Need(t, w.needs...)
			p := start(t, w)
			want, _ := p.work()
			before := p.code()
			for i := range times {
				verb := []string{"count", "time"}[i%2]
				ended := make(chan error, 1)
				cmd := exec.Command(s.Path, verb, "--engine=user", "-p", strconv.Itoa(p.pid), "-d", "300ms", "-o", filepath.Join(s.Dir, "while.json"), "*:*")
				var errs bytes.Buffer
				cmd.Stderr = &errs
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				go func() { ended <- cmd.Wait() }()
				for over := false; !over; {
					if got, _ := p.work(); got != want {
						t.Errorf("%s: gives %s, alone %s", verb, got, want)
					}
					select {
					case err := <-ended:
						var seen Observation
						if over = true; errors.Join(err, seen.read(filepath.Join(s.Dir, "while.json"))) != nil || seen.Stats.Hits == 0 {
							t.Errorf("%s: %v, %d hits\n%s", verb, err, seen.Stats.Hits, tail(errs.String()))
						}
					default:
					}
				}
			}
			if got, _ := p.work(); got != want {
				t.Errorf("afterwards: gives %s, alone %s", got, want)
			}
			if wrong := p.changed(before); len(wrong) > 0 {
				t.Errorf("its code is not what it was: %s", wrong)
			}
			p.end()
		})
	}
}

// backend starts a PostgreSQL server, and a client that sends what it reads.
func backend(t *testing.T) []string {
	i := slices.IndexFunc(servers, func(s server) bool { return s.name == "postgres" })
	fixture.Need(t, servers[i].needs...)
	r := servers[i].start(t, nil)
	t.Cleanup(func() { r.stop() })
	return []string{"psql", "-AtqX", "-h", "127.0.0.1", "-p", strconv.Itoa(r.port), "-U", "postgres", "postgres"}
}

func backendPID(p *working) int {
	fmt.Fprintln(p.in, "create temp table t as select i, md5(i::text) m, i * 1.5 r from generate_series(1, 5000) i; create index on t(m);")
	fmt.Fprintln(p.in, "select pg_backend_pid();")
	pid, err := strconv.Atoi(p.line())
	if err != nil {
		p.t.Fatal(err)
	}
	return pid
}

const query = `begin; update t set r = r + 1 where i % 7 = 0; savepoint s; delete from t where i % 2 = 0; rollback to s; ` +
	`update t set r = r - 1 where i % 7 = 0; commit; ` +
	`select md5(string_agg(concat(a.m, b.n, b.x), ',' order by a.m)) from t a join ` +
	`(select substr(m, 1, 1) k, count(*) n, sum(r) x, rank() over (order by count(*), substr(m, 1, 1)) from t group by 1) b on b.k = substr(a.m, 1, 1) ` +
	`where a.m like '%a%' or a.i in (select i from t where m < '3');`

func wholePrograms(t *testing.T, long bool, engine string, flags ...string) {
	for _, w := range workers {
		if w.long != long {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			fixture.Libraries(t, true)
			s := sonde(t)
			s.Engine = engine
			fixture.Need(t, w.needs...)
			p := start(t, w)
			want, _ := p.work()
			p.work()
			before := p.code()
			for _, verb := range []string{"count", "time"} {
				w.attachedTo(t, s, p, verb, want, flags)
			}
			if got, _ := p.work(); got != want {
				t.Errorf("afterwards: gives %s, alone %s", got, want)
			}
			if wrong := p.changed(before); len(wrong) > 0 {
				t.Errorf("its code is not what it was: %s", wrong)
			}
			p.end()
		})
	}
}

func (w worker) attachedTo(t *testing.T, s Sonde, p *working, verb, want string, flags []string) {
	_, from := p.work()
	a := s.attach(t, verb, p.pid, append(flags, "*:*")...)
	var to uint64
	for range 2 {
		var got string
		if got, to = p.work(); got != want {
			t.Errorf("%s: gives %s, alone %s", verb, got, want)
		}
	}
	seen := a.end()
	if seen.Sonde != 0 || seen.Stats.Hits < w.hits {
		t.Errorf("%s: status %d, %d hits\n%s", verb, seen.Sonde, seen.Stats.Hits, tail(seen.Stderr))
	}
	if w.calls == "" || len(flags) > 0 {
		return
	}
	if wrong := Miscounts(map[string]uint64{w.calls: to - from}, seen, verb != "count"); len(wrong) > 0 {
		t.Errorf("%s: %s", verb, wrong)
	}
}

// working is a worker that runs.
type working struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
	w    worker
	pid  int // who does the work
}

func start(t *testing.T, w worker) *working {
	t.Helper()
	argv := w.argv(t)
	p := &working{t: t, cmd: exec.Command(argv[0], argv[1:]...), w: w}
	p.in, _ = p.cmd.StdinPipe()
	out, _ := p.cmd.StdoutPipe()
	p.out = bufio.NewReader(out)
	p.cmd.Stderr = &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	p.pid = p.cmd.Process.Pid
	if w.observed != nil {
		p.pid = w.observed(p)
	}
	return p
}

// work has it work once.
func (p *working) work() (digest string, calls uint64) {
	p.t.Helper()
	fmt.Fprintln(p.in, cmp.Or(p.w.asks, "work"))
	if digest = p.line(); digest == "ready" {
		digest = p.line()
	}
	if p.w.calls != "" {
		line := p.line()
		n, err := strconv.ParseUint(strings.TrimPrefix(line, "calls "+p.w.calls+" "), 10, 64)
		if err != nil {
			p.t.Fatalf("says %q", line)
		}
		calls = n
	}
	return digest, calls
}

func (p *working) line() string {
	p.t.Helper()
	late := time.AfterFunc(time.Duration(amount)*limit, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("has ended, or was when it hung: %v\n%s", p.cmd.Wait(), tail(p.errs.String()))
	}
	return strings.TrimSpace(line)
}

// end lets it end, and expects it to do so well and to have complained of nothing.
func (p *working) end() {
	p.t.Helper()
	_ = p.in.Close()
	_, _ = io.ReadAll(p.out)
	if err := p.cmd.Wait(); err != nil || p.errs.Len() > 0 {
		p.t.Errorf("ends with %v\n%s", err, tail(p.errs.String()))
	}
}

// code gives all that it maps from files and may run, by mapping.
func (p *working) code() map[string][]byte {
	p.t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(p.pid))
	maps, err := os.ReadFile(filepath.Join(dir, "maps"))
	if err != nil {
		p.t.Fatal(err)
	}
	mem, err := os.Open(filepath.Join(dir, "mem"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer mem.Close()
	all := map[string][]byte{}
	for line := range strings.Lines(string(maps)) {
		var start, end int64
		var perms string
		fields := strings.Fields(line)
		if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &perms); err != nil || perms[2] != 'x' || len(fields) < 6 || fields[5][0] != '/' {
			continue
		}
		code := make([]byte, end-start)
		if _, err := mem.ReadAt(code, start); err != nil {
			p.t.Fatal(err)
		}
		all[fields[0]+" "+fields[5]] = code
	}
	return all
}

// changed lists the mappings that are not what they were.
func (p *working) changed(before map[string][]byte) (list []string) {
	now := p.code()
	for name, code := range before {
		if !bytes.Equal(now[name], code) {
			list = append(list, name)
		}
	}
	for name := range now {
		if before[name] == nil {
			list = append(list, name)
		}
	}
	return list
}

// attachment is a sonde on a process.
type attachment struct {
	t       *testing.T
	cmd     *exec.Cmd
	ended   chan error
	results string
	errs    bytes.Buffer
}

// attach starts a verb on a process and waits until it observes.
func (s Sonde) attach(t *testing.T, verb string, pid int, probes ...string) *attachment {
	t.Helper()
	ready := filepath.Join(s.Dir, verb+"-ready")
	_ = os.Remove(ready)
	a := &attachment{t: t, ended: make(chan error, 1), results: filepath.Join(s.Dir, verb+"-attached.json")}
	line := []string{verb, "--engine", s.Engine, "-p", strconv.Itoa(pid), "--ready-file", ready, "-o", a.results}
	a.cmd = exec.Command(s.Path, append(line, probes...)...)
	a.cmd.Stderr = &a.errs
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.ended <- a.cmd.Wait() }()
	t.Cleanup(func() { _ = a.cmd.Process.Kill() })
	for end := time.Now().Add(2 * limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			return a
		}
		select {
		case err := <-a.ended:
			t.Fatalf("sonde %s: %v\n%s", verb, err, a.errs.String())
		default:
		}
	}
	t.Fatalf("sonde %s does not observe after %v\n%s", verb, 2*limit, a.errs.String())
	return nil
}

// end interrupts it and gives what it saw.
func (a *attachment) end() Observation {
	a.t.Helper()
	_ = a.cmd.Process.Signal(os.Interrupt)
	var o Observation
	select {
	case err := <-a.ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			o.Sonde = exit.ExitCode()
		}
	case <-time.After(limit):
		a.t.Fatal("sonde does not end")
	}
	o.Stderr = a.errs.String()
	if err := o.read(a.results); err != nil {
		a.t.Error(err)
	}
	return o
}
