package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a running tool or program with what it printed so far.
type process struct {
	cmd    *exec.Cmd
	marker string
	began  time.Time
	done   chan struct{} // closed when it ended and its output was read

	mu      sync.Mutex
	news    chan struct{} // closed and replaced when something changes
	marked  int           // lines that hold the marker
	first   time.Time     // of the first such line
	last    time.Time
	tail    []string // last lines of both outputs without the marker
	most    int      // KiB of memory seen at most
	reading sync.WaitGroup
}

// start runs a command. Lines of either output that hold the marker are counted, the others kept.
func start(argv, env []string, marker string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), marker: marker, done: make(chan struct{}), news: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	outputs := make([]io.Reader, 2)
	for i, target := range []*io.Writer{&p.cmd.Stdout, &p.cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer w.Close()
		*target, outputs[i] = w, r
		p.reading.Add(1)
		go p.read(r)
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.watch()
	go func() {
		p.reading.Wait()
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) read(r *os.File) {
	defer p.reading.Done()
	defer r.Close()
	lines := bufio.NewReaderSize(r, 1<<20)
	marker := []byte(p.marker)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			p.note(line, len(marker) > 0 && bytes.Contains(line, marker))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (p *process) note(line []byte, marked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if marked {
		p.last = time.Now()
		if p.marked++; p.marked > 1 {
			return
		}
		p.first = p.last
	} else if p.tail = append(p.tail, strings.TrimSpace(string(line))); len(p.tail) > 1000 {
		p.tail = p.tail[500:]
	}
	close(p.news)
	p.news = make(chan struct{})
}

// until waits for a condition on the process, which is asked with its lock held.
func (p *process) until(limit time.Duration, what string, reached func() bool) error {
	deadline := time.After(limit)
	for {
		p.mu.Lock()
		ok, news := reached(), p.news
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-news:
		case <-p.done:
			p.mu.Lock()
			ok = reached()
			p.mu.Unlock()
			if ok {
				return nil
			}
			return fmt.Errorf("ended before %s: %s", what, p.reason())
		case <-deadline:
			return fmt.Errorf("no %s within %v", what, limit)
		}
	}
}

// says waits for a line.
func (p *process) says(line string, limit time.Duration) error {
	return p.until(limit, strconv.Quote(line), func() bool {
		for _, l := range p.tail {
			if l == line {
				return true
			}
		}
		return false
	})
}

// stop interrupts the tool as Ctrl-C does and waits for its end; after limit it is killed, and that is an error.
func (p *process) stop(limit time.Duration) error {
	p.cmd.Process.Signal(syscall.SIGINT)
	return p.ended(limit)
}

func (p *process) ended(limit time.Duration) error {
	select {
	case <-p.done:
		return nil
	case <-time.After(limit):
		p.cmd.Process.Kill()
		select {
		case <-p.done:
		case <-time.After(3 * time.Minute): // the kernel is still taking probes away
		}
		return fmt.Errorf("did not end within %v", limit)
	}
}

// kill ends the process if it still runs; for the end of a measure.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// watch samples the most memory that the process had. The figure that wait4 gives includes this program's own, from before
// the exec.
func (p *process) watch() {
	file := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	for {
		text, _ := os.ReadFile(file)
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			p.mu.Lock()
			p.most = max(p.most, kib)
			p.mu.Unlock()
		}
		select {
		case <-p.done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// peak is the most memory that the process had, in MiB.
func (p *process) peak() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return float64(p.most) / 1024
}

// reason is the line that says best why a tool failed: the first that speaks of it, else the last.
func (p *process) reason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := "said nothing"
	for _, l := range p.tail {
		switch {
		case l == "" || strings.Contains(l, "RLIMIT_MEMLOCK") || strings.Trim(l, "^~ ") == "":
		case complaint.MatchString(l):
			return shortened(l)
		default:
			best = l
		}
	}
	return shortened(best)
}

var complaint = regexp.MustCompile(`(?i)error|unable|cannot|failed`)

func shortened(text string) string { return text[:min(len(text), 200)] }

var lostLine = regexp.MustCompile(`(?i)lost (\d+)`)

// lost is how many events the tool said it lost.
func (p *process) lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	for _, l := range p.tail {
		if m := lostLine.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[1])
			total += n
		}
	}
	return total
}

// figure reads "NAME VALUE" out of what the process said.
func (p *process) figure(name string) (float64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.tail {
		if text, ok := strings.CutPrefix(l, name+" "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("no %q in the output", name)
}

// quiet waits until nothing new was printed for a while.
func (p *process) quiet(pause, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for before := -1; time.Now().Before(deadline); {
		p.mu.Lock()
		now := p.marked
		p.mu.Unlock()
		if now == before {
			return
		}
		before = now
		time.Sleep(pause)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
