package page

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/fixture"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// ran is a statement that ran n times for ms milliseconds, one after the other.
func ran(clock *agg.Timelines, digest string, n, ms int) *event.Query {
	var latency agg.Latency
	var when agg.Timeline
	d := time.Duration(ms) * time.Millisecond
	for i := range n {
		latency.Add(int64(d))
		clock.Add(&when, noon.Add(time.Duration(i)*d), d, false)
	}
	s := &event.Statement{Time: noon, Duration: d, FirstRow: d / 2, PID: 42, Comm: "app", Digest: digest, Text: digest + " -- as it was sent", Rows: 1}
	return &event.Query{System: "postgresql", Digest: digest, Count: uint64(n), Rows: int64(n), Latency: latency.Aggregate(), P50: d, P95: d, P99: d,
		Programs: []string{"app"}, PIDs: []int{42}, Slowest: []*event.Statement{s}, Example: s.Text, Timeline: clock.Read(&when)}
}

func write(t *testing.T, o Options, s event.Stats, events ...event.Event) string {
	t.Helper()
	var out bytes.Buffer
	o.Zone, o.Ended = time.UTC, noon.Add(time.Minute)
	r := New(&out, o)
	for _, e := range events {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// hostile are statements that would like to be more than text, and would call home.
var hostile = []string{
	`SELECT '</script><script>document.title="owned"</script>'`,
	`SELECT "><img src=http://home.invalid/image onerror=document.title="owned">`,
	`SELECT '</pre></td></table><iframe src="http://home.invalid/frame"></iframe>`,
	"SELECT `{{.Script}}` {{template \"x\"}} <!-- </title><style>@import url(http://home.invalid/style)</style>",
	`SELECT '\u003cscript src=http://home.invalid/script>' & "quote" 'single'`,
	`<a href="javascript:document.title='owned'" autofocus onfocus=alert(1)>`,
}

// browse opens a page in a browser and gives the document as it is after its scripts ran, or writes a picture.
func browse(t *testing.T, address, proxy string, flags ...string) string {
	t.Helper()
	fixture.Need(t, "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	argv := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--proxy-server=" + proxy, "--proxy-bypass-list=<-loopback>"}, flags...)
	cmd := exec.CommandContext(ctx, "chromium", append(argv, address)...)
	var said bytes.Buffer
	cmd.Stderr, cmd.Env = &said, append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, said.Bytes())
	}
	return string(out)
}

// watchman is a proxy that leads nowhere and counts who asks it for the home of the hostile. Browsers ask for things of their own too.
func watchman(t *testing.T) (address string, calls *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	calls = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			if strings.Contains(line, "home.invalid") {
				calls.Add(1)
			}
			c.Close()
		}
	}()
	return l.Addr().String(), calls
}

var rowNames = regexp.MustCompile(`(?s)<tbody id="q(\d+)" data-at="\d+" class="([^"]*)"`)

// In a browser the rows are there, sorted and filtered as the address says; no statement is taken for more than text, and nothing is
// asked of the network.
func TestABrowserShowsTheTableAndNothingElse(t *testing.T) {
	proxy, calls := watchman(t)
	var clock agg.Timelines
	events := []event.Event{ran(&clock, "SELECT slow FROM t", 2, 900), ran(&clock, "SELECT often FROM t", 300, 1)}
	for i, text := range hostile {
		q := ran(&clock, text, 3+i, 2)
		q.Error, q.Errors, q.Programs = text, 1, []string{text}
		q.Slowest[0].Failed, q.Slowest[0].Error, q.Slowest[0].Stack = true, text, []event.Frame{{Function: text}}
		events = append(events, q)
	}
	events = append(events, &event.Transaction{System: "postgresql", Count: 1, Statements: 3})
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(write(t, Options{}, event.Stats{Hits: 9, Elapsed: 2 * time.Second}, events...)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ state, order, shown string }{
		{"", "01234567", "8 of 8"},
		{"#sort=calls", "12345670", "8 of 8"},
		{"#sort=-total", "76543210", "8 of 8"},
		{"#sort=-statement&filter=from+T", "10", "2 of 8"},
		{"#filter=%3Cscript%3E", "7", "1 of 8"},
	} {
		page := browse(t, "file://"+file+c.state, proxy, "--dump-dom")
		order := ""
		for _, m := range rowNames.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(m[2], "out") {
				order += m[1]
			}
		}
		if order != c.order || !strings.Contains(page, `<span id="shown">`+c.shown+`</span>`) {
			t.Errorf("%q shows rows %s, want %s and %s", c.state, order, c.order, c.shown)
		}
		if strings.Contains(page, "<title>owned") || strings.Contains(page, "<iframe") || strings.Contains(page, "<img") || strings.Count(page, "<script>") != 1 {
			t.Errorf("%q: a statement became part of the page", c.state)
		}
	}
	if n := calls.Load(); n > 0 {
		t.Errorf("%d calls home", n)
	}
	picture(t, "file://"+file, proxy)
}

// A page that calls home is heard: or else the silence above would mean nothing.
func TestTheWatchmanHears(t *testing.T) {
	proxy, calls := watchman(t)
	file := filepath.Join(t.TempDir(), "bad.html")
	if err := os.WriteFile(file, []byte(`<img src="http://home.invalid/image">`), 0o644); err != nil {
		t.Fatal(err)
	}
	browse(t, "file://"+file, proxy, "--dump-dom")
	if calls.Load() == 0 {
		t.Error("nobody called")
	}
}

// picture looks whether charts are drawn: a page without has hardly a colour.
func picture(t *testing.T, address, proxy string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.png")
	browse(t, address, proxy, "--screenshot="+file, "--window-size=1400,1200", "--hide-scrollbars")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	blue := 0
	for y := range image.Bounds().Dy() {
		for x := range image.Bounds().Dx() {
			if r, g, b, _ := image.At(x, y).RGBA(); r>>8 == 0x35 && g>>8 == 0x68 && b>>8 == 0xc0 {
				blue++
			}
		}
	}
	if blue < 2000 {
		t.Errorf("%d points in the colour of the first statement", blue)
	}
}

// The page names nothing outside of itself.
func TestThePageStandsAlone(t *testing.T) {
	var clock agg.Timelines
	page := write(t, Options{}, event.Stats{}, ran(&clock, "SELECT a FROM t", 5, 10))
	for _, reference := range regexp.MustCompile(`(?i)(src|href|action)\s*=\s*"?([^"> ]*)|url\(|@import|https?://`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(reference[2], "#") {
			t.Errorf("%q", reference[0])
		}
	}
	if !strings.Contains(page, "nothing was lost") {
		t.Error("a page without losses does not say so")
	}
}

// What has no row of its own is counted in the row of the others; marks, transactions and losses are told.
func TestMoreStatementsThanRowsAreCounted(t *testing.T) {
	var clock agg.Timelines
	var events []event.Event
	for i := range 30 {
		events = append(events, ran(&clock, fmt.Sprintf("SELECT %c", 'a'+i), 1, 100-i))
	}
	folded := ran(&clock, "", 4, 1)
	folded.Others = 4
	events[3].(*event.Query).Repeated = 12
	events = append(events, folded, &event.Transaction{System: "postgresql", Count: 7, Statements: 21, RolledBack: 2})
	page := write(t, Options{Top: 10}, event.Stats{Lost: 3, LostBy: map[event.LostCause]uint64{event.LostRing: 3}}, events...)
	if n := strings.Count(page, "<tbody id="); n != 11 {
		t.Errorf("%d rows", n)
	}
	for _, want := range []string{"(24 other statements)", "<dd>34</dd>", "N&#43;1? 12 times in one transaction", "7 transactions, 3 statements each", "2 rolled back", "lost 3 events"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	if strings.Contains(page, "nothing was lost") {
		t.Error("losses and no losses")
	}
}

// A run without a statement has a page too.
func TestAPageOfNothing(t *testing.T) {
	if page := write(t, Options{}, event.Stats{}); !strings.Contains(page, "</html>") {
		t.Errorf("%s", page)
	}
}
