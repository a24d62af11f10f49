package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A server that allocates memory a million times a second, while every malloc is counted or timed.

func redisMetrics(how string) []metric {
	return []metric{{name: "redis-benchmark while malloc is " + how, unit: "% of unobserved", higher: true}}
}

// redis is a server of the benchmark's own.
type redis struct {
	*process
	port    string
	library string // that malloc is part of
	malloc  uint64 // its address
}

const redisPort = "54324"

func startRedis(dir string) (*redis, error) {
	if err := errors.Join(lookup("redis-server"), lookup("redis-benchmark")); err != nil {
		return nil, err
	}
	p, err := start([]string{"redis-server", "--port", redisPort, "--bind", "127.0.0.1", "--dir", dir, "--save", ""}, nil, "Ready to accept connections")
	if err != nil {
		return nil, err
	}
	r := &redis{process: p, port: redisPort}
	if err := p.until(patience, "ready", func() bool { return p.marked > 0 }); err != nil {
		p.kill()
		return nil, err
	}
	if err := r.findMalloc(); err != nil {
		p.kill()
		return nil, err
	}
	return r, nil
}

// findMalloc looks for the library whose malloc the server uses: jemalloc's, else the C library's.
func (r *redis) findMalloc() error {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.cmd.Process.Pid))
	if err != nil {
		return err
	}
	for _, name := range []string{"/libjemalloc.so", "/libc.so"} {
		for line := range strings.Lines(string(maps)) {
			fields := strings.Fields(line)
			if len(fields) < 6 || !strings.Contains(fields[5], name) || fields[2] != "00000000" {
				continue
			}
			start, _, _ := strings.Cut(fields[0], "-")
			base, err := strconv.ParseUint(start, 16, 64)
			if err != nil {
				return err
			}
			at, err := symbolIn(fields[5], "malloc")
			if err != nil {
				return err
			}
			r.library, r.malloc = fields[5], base+at
			return nil
		}
	}
	return errors.New("redis-server maps no malloc that is known")
}

func symbolIn(path, name string) (uint64, error) {
	file, err := elf.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == name && s.Value != 0 {
			return s.Value, nil
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}

// code is what malloc begins with: it changes when a probe is armed.
func (r *redis) code() (string, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", r.cmd.Process.Pid))
	if err != nil {
		return "", err
	}
	defer mem.Close()
	code := make([]byte, 16)
	_, err = mem.ReadAt(code, int64(r.malloc))
	return string(code), err
}

var redisRate = regexp.MustCompile(`"([\d.]+)"`)

// Requests of each kind in a run of redis-benchmark: enough for a steady figure, and what a tool gets that traps at each call.
const (
	manyRequests = 100000
	someRequests = 10000
)

// load gives the requests a second of a run of redis-benchmark, all its kinds together.
func (r *redis) load(requests int) (float64, error) {
	out, err := exec.Command("redis-benchmark", "-p", r.port, "-t", "set,get,incr,lpush,lpop,sadd,hset", "-n", strconv.Itoa(requests), "-c", "20", "-P", "4", "-r", "10000", "--csv").Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	sum := 0.0
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(line, ",")
		if len(fields) < 2 {
			continue
		}
		if m := redisRate.FindStringSubmatch(fields[1]); m != nil {
			rate, _ := strconv.ParseFloat(m[1], 64)
			sum += 1 / rate // the time of a request of each kind
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("redis-benchmark said %.200q", out)
	}
	return 1 / sum, nil
}

// redisTurns is how often the server is observed and not observed in turns.
const redisTurns = 5

// redisUnder is the throughput of the server while its malloc is observed, as a share of what it does unobserved just before and after: the
// median of some turns.
func redisUnder(k kind) func(*bed) ([]float64, error) {
	return func(b *bed) ([]float64, error) {
		if b.tool.starts {
			return nil, errStarts
		}
		if b.tool.name == "ltrace" {
			return nil, errors.New("172 us a call: not for a million a second")
		}
		r, err := startRedis(b.scratch)
		if err != nil {
			return nil, err
		}
		defer r.kill()
		if _, err := r.load(manyRequests); err != nil { // warm
			return nil, err
		}
		before, err := r.load(manyRequests)
		if err != nil {
			return nil, err
		}
		var shares []float64
		for range redisTurns {
			observed, err := b.redisObserved(r, k)
			if err != nil {
				return nil, err
			}
			after, err := r.load(manyRequests)
			if err != nil {
				return nil, err
			}
			shares = append(shares, 200*observed/(before+after))
			before = after
		}
		return []float64{median(shares)}, nil
	}
}

func (b *bed) redisObserved(r *redis, k kind) (float64, error) {
	plain, err := r.code()
	if err != nil {
		return 0, err
	}
	j := job{kind: k, program: r.library, function: "malloc", pid: r.cmd.Process.Pid}
	t, err := b.launch(j)
	if err != nil {
		return 0, err
	}
	defer b.tidy(j)
	defer t.kill()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		now, err := r.code()
		if err != nil || now != plain {
			break
		}
		select {
		case <-t.done:
			return 0, errors.New(t.reason())
		default:
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("not armed within %v", patience)
		}
	}
	time.Sleep(300 * time.Millisecond) // it may still be arming the other half
	requests := someRequests
	if b.tool.name == "sonde, inside" {
		requests = manyRequests
	}
	rate, err := r.load(requests)
	if err != nil {
		return 0, err
	}
	return rate, t.stop(patience)
}
