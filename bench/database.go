package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// database is a PostgreSQL server of the benchmark's own. It starts when it is first asked for.
type database struct {
	dir    string
	server *exec.Cmd
	err    error
}

// Client library and server programs, as Debian places them.
const (
	serverPrograms = "/usr/lib/postgresql/*/bin/postgres"
	clientLibrary  = "/usr/lib/*-linux-gnu/libpq.so.5"
)

func one(pattern string) string {
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// up starts the server once, with the tables of pgbench.
func (d *database) up() error {
	if d.server == nil && d.err == nil {
		d.err = d.start()
	}
	return d.err
}

func (d *database) start() error {
	program := one(serverPrograms)
	account, err := user.Lookup("postgres")
	if program == "" || err != nil {
		return fmt.Errorf("PostgreSQL is not installed")
	}
	if d.dir, err = os.MkdirTemp("", "sonde-bench-pg"); err != nil {
		return err
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if err := os.Chown(d.dir, uid, gid); err != nil {
		return err
	}
	as := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(filepath.Dir(program), name), args...)
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, d.dir
		return cmd
	}
	data := filepath.Join(d.dir, "data")
	if out, err := as("initdb", "-D", data, "-A", "trust", "-N").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	server := as("postgres", "-D", data, "-k", d.dir, "-p", databasePort, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off")
	if err := server.Start(); err != nil {
		return err
	}
	d.server = server
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := d.client("pgbench", "-i", "-q").CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("pgbench -i: %w\n%s", err, out)
		}
	}
}

const databasePort = "54323" // a part of the socket's name: nothing listens on the network

func (d *database) client(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(filepath.Dir(one(serverPrograms)), name), args...)
	cmd.Env = append(os.Environ(), "PGHOST="+d.dir, "PGPORT="+databasePort, "PGUSER=postgres", "PGDATABASE=postgres")
	return cmd
}

// down ends the server and removes its files.
func (d *database) down() {
	if d.server != nil {
		d.server.Process.Signal(syscall.SIGINT)
		d.server.Wait()
	}
	if d.dir != "" {
		os.RemoveAll(d.dir)
	}
}

var (
	throughputLine   = regexp.MustCompile(`tps = ([\d.]+) \(without`)
	transactionsLine = regexp.MustCompile(`actually processed: (\d+)`)
)

// selects runs pgbench's short statement for a few seconds: how many a second, and how many in all.
func (d *database) selects(mode string) (perSecond, all float64, err error) {
	out, err := d.client("pgbench", "-n", "-S", "-c", "8", "-j", "2", "-T", "5", "-M", mode).CombinedOutput()
	rate, count := throughputLine.FindSubmatch(out), transactionsLine.FindSubmatch(out)
	if err != nil || rate == nil || count == nil {
		return 0, 0, fmt.Errorf("pgbench: %v %s", err, bytes.TrimSpace(out))
	}
	perSecond, _ = strconv.ParseFloat(string(rate[1]), 64)
	all, _ = strconv.ParseFloat(string(count[1]), 64)
	return perSecond, all, nil
}

// throughput is what pgbench does a second while its statements are timed, as a share of what it does unobserved just before or after; and how
// many of them the tool saw.
func throughput(k kind, mode string) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		if b.tool.starts {
			return nil, errStarts
		}
		db := b.victims.database
		if err := db.up(); err != nil {
			return nil, err
		}
		b.round++
		var plain, observed, all float64
		var t *process
		var err error
		alone := func() { plain, _, err = db.selects(mode) }
		if b.round%2 == 0 {
			alone()
		}
		if err == nil {
			observed, all, t, err = b.observed(k, mode)
		}
		if err == nil && b.round%2 == 1 {
			alone()
		}
		if err != nil {
			return nil, err
		}
		return []float64{100 * observed / plain, 100 * seen(t) / all}, nil
	}
}

// observed runs pgbench under the tool.
func (b *bed) observed(k kind, mode string) (perSecond, all float64, t *process, err error) {
	db := b.victims.database
	ready := filepath.Join(b.scratch, "ready")
	os.Remove(ready)
	j := job{kind: k, program: one(serverPrograms), pid: db.server.Process.Pid, ready: ready}
	if k == sendingSQL {
		j.program = one(clientLibrary)
	}
	if t, err = b.launch(j); err != nil {
		return 0, 0, nil, err
	}
	defer b.tidy(j)
	defer t.kill()
	if err = armedSQL(t, ready); err != nil {
		return 0, 0, nil, err
	}
	if perSecond, all, err = db.selects(mode); err != nil {
		return 0, 0, nil, err
	}
	return perSecond, all, t, t.stop(patience)
}

// armedSQL waits until a tool says that it observes: by a file or a line.
func armedSQL(t *process, ready string) error {
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			return nil
		}
		err := t.until(time.Millisecond, "armed", func() bool {
			for _, l := range t.tail {
				if l == "armed" || strings.HasPrefix(l, "Tracing database queries") {
					return true
				}
			}
			return false
		})
		if err == nil {
			return nil
		}
		select {
		case <-t.done:
			return err
		default:
		}
	}
	return fmt.Errorf("not armed within %v", 2*patience)
}

var (
	sondeCount    = regexp.MustCompile(`"type":"query".*FROM pgbench_accounts.*?"count":(\d+)`)
	bpftraceCount = regexp.MustCompile(`^@seen: (\d+)`)
)

// seen is how many statements a tool that has ended told of.
func seen(t *process) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := float64(t.marked)
	for _, l := range t.tail {
		for _, pattern := range []*regexp.Regexp{sondeCount, bpftraceCount} {
			if m := pattern.FindStringSubmatch(l); m != nil {
				count, _ := strconv.ParseFloat(m[1], 64)
				n += count
			}
		}
	}
	return n
}

// bpftraceSQL is a latency histogram of statements without their texts, which is the most that one can ask for at this speed: at a server from the
// activity that it reports, at a client from libpq.
func bpftraceSQL(j job) string {
	armed := ` interval:ms:100 /@armed == 0/ { printf("armed\n"); @armed = 1; } END { clear(@armed); clear(@start); `
	count := "{ @ = hist(nsecs - $began); @seen = count(); } "
	at := "uprobe:" + j.program + ":"
	if j.kind == servingSQL {
		return at + "pgstat_report_activity { if (arg1 != 0) { if (@start[pid] == 0) { @start[pid] = nsecs; } } else { $began = @start[pid]; if ($began != 0) " +
			count + "@start[pid] = 0; } }" + armed + "}"
	}
	return at + "PQsendQuery, " + at + "PQsendQueryPrepared { @start[arg0] = nsecs; } " + at + "PQgetResult { @conn[tid] = arg0; } uretprobe:" + j.program +
		":PQgetResult /retval == 0/ { $began = @start[@conn[tid]]; if ($began != 0) " + count + "@start[@conn[tid]] = 0; }" + armed + "clear(@conn); }"
}
