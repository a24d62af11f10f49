package sonde

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/sqlprobe"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// newcomers arms the SQL drivers in files that processes first map while a session goes on: programs that start, libraries that are loaded.
// The kernel tells of each mapping as it is made; a file that is new is looked through beside the session, once, and joins it as a part.
type newcomers struct {
	target  Target
	options SQLOptions
	wanted  func(sqlprobe.Driver) bool
	drivers []sqlprobe.Driver // that are wanted
	known   map[file]verdict
	session *Session
	watch   *target.MapWatch

	armed []newcomer
	news
}

// newcomer is a part and the file that it is for.
type newcomer struct {
	part *part
	ino  uint64
	id   file
}

// verdict is what was found in a file: a driver, and then a part keeps the file from being replaced by another one under its number; or none
// as it was then.
type verdict struct {
	driver  bool
	changed unix.Timespec
}

// newNewcomers begins to listen, so that nothing is missed that comes while drivers are looked for. A command is listened to from its start.
func newNewcomers(t *Target, o SQLOptions) *newcomers {
	n := &newcomers{options: o}
	if len(t.argv) == 0 {
		n.listen(-1)
	}
	return n
}

func (n *newcomers) listen(pid int) {
	w, err := target.NewMapWatch(pid)
	if err != nil {
		n.note("programs that started later were not noticed: " + err.Error())
		return
	}
	n.watch = w
}

// close is for a session that does not come about.
func (n *newcomers) close() {
	if n.watch != nil {
		n.watch.Close()
	}
}

// knowing says what was found when the session was made.
func (n *newcomers) knowing(t *Target, files map[file]verdict) {
	n.target, n.known = *t, files
	server := n.options.Server || len(t.pids) > 0 && t.filter.Children // a process that is itself a server is observed as one
	n.wanted = func(d sqlprobe.Driver) bool { return d.Server == server }
	n.drivers = slices.DeleteFunc(sqlprobe.Drivers(), func(d sqlprobe.Driver) bool { return !n.wanted(d) })
}

// begin is called when the session's own probes are armed, and before a command runs.
func (n *newcomers) begin(s *Session) {
	if n == nil {
		return
	}
	n.session = s
	if s.command != nil {
		n.listen(s.command.PID())
	}
	switch {
	case n.watch == nil:
		return
	case s.backend.name != EngineKernel:
		n.note("programs that started later were not noticed: that takes eBPF")
		n.watch.Close()
		return
	}
	s.watching.Go(func() {
		defer n.watch.Close()
		n.follow(s.ctx)
	})
}

// breath is how long events are gathered: it bounds how often newcomers are looked for where processes start all the time.
const breath = 2 * time.Millisecond

// follow looks at what is mapped until the session ends. When more is mapped at once than the kernel keeps, the rest is looked for in /proc.
func (n *newcomers) follow(ctx context.Context) {
	for n.watch.Wait(ctx) == nil {
		time.Sleep(breath)
		var events []target.MapEvent
		n.watch.Read(func(e target.MapEvent) {
			if e.Parent == 0 && n.likely(e) {
				events = append(events, e)
			}
		})
		for _, still := range []bool{true, false} { // those first that can yet execute something
			for _, e := range events {
				if errors.Is(unix.Kill(e.PID, 0), unix.ESRCH) != still {
					n.noticed(ctx, e)
				}
			}
		}
		if n.watch.Lost() {
			for _, o := range n.mapped() {
				n.arrived(ctx, o, 0)
			}
		}
	}
}

// mapped is what the observed processes map now.
func (n *newcomers) mapped() []target.Object {
	switch {
	case n.options.Server:
		return servers()
	case len(n.target.pids) == 0:
		return inUse()
	}
	var objects []target.Object
	for _, pid := range n.target.pids {
		if p, err := target.Open(pid); err == nil {
			mapped, _ := p.Objects()
			objects = append(objects, mapped...)
		}
	}
	return objects
}

// likely says by the name whether a file may hold a driver: a library that is called like one, or a program; of servers their program.
func (n *newcomers) likely(e target.MapEvent) bool {
	if len(n.target.pids) > 0 && !slices.Contains(n.target.pids, e.PID) {
		return false
	}
	o := target.Object{Path: e.Mapping.Path}
	if !e.Mapping.File() || strings.HasPrefix(o.Path, "/memfd:") {
		return false
	}
	return slices.ContainsFunc(n.drivers, func(d sqlprobe.Driver) bool {
		if d.Server {
			return slices.Contains(d.Programs, filepath.Base(o.Path))
		}
		return isLibrary(o, d) || !e.Mapping.Library()
	})
}

func (n *newcomers) noticed(ctx context.Context, e target.MapEvent) {
	if usual := (target.Object{Open: e.Mapping.Path}); fileOf(usual).ino == e.Mapping.Ino && n.knows(usual) {
		return
	}
	if o, ok := e.Object(); ok {
		n.arrived(ctx, o, e.Age())
		return
	}
	n.missedOne()
}

// knows reports whether a file was looked through, and is still that file.
func (n *newcomers) knows(o target.Object) bool {
	v, known := n.known[fileOf(o)]
	return known && (v.driver || v.changed == changed(o))
}

func changed(o target.Object) unix.Timespec {
	var s unix.Stat_t
	if unix.Stat(o.Open, &s) != nil {
		return unix.Timespec{}
	}
	return s.Mtim
}

// keptVerdicts is how many files are remembered; then those without a driver are looked through again.
const keptVerdicts = 1 << 14

// arrived looks an object through that appeared some time ago, 0: it is not known when.
func (n *newcomers) arrived(ctx context.Context, o target.Object, age time.Duration) {
	if ctx.Err() != nil || n.knows(o) {
		return
	}
	noticed := time.Now()
	if len(n.armed) >= mostNewcomers {
		n.note(fmt.Sprintf("%s came during the run and is not observed: %d others that came are in use", o.Path, len(n.armed)))
		n.known[fileOf(o)] = verdict{driver: true}
		return
	}
	p, err := n.arm(o)
	if len(n.known) >= keptVerdicts {
		for id, v := range n.known {
			if !v.driver {
				delete(n.known, id)
			}
		}
	}
	n.known[fileOf(o)] = verdict{driver: p != nil, changed: changed(o)}
	switch {
	case err != nil:
		n.note(fmt.Sprintf("%s came during the run and is not observed: %v", o.Path, err))
	case p == nil:
	case !n.session.join(p):
		n.session.fail(p.engine.Close())
	default:
		n.armed = append(n.armed, newcomer{p, fileOf(o).ino, fileOf(o)})
		n.note(fmt.Sprintf("%s came during the run: its statements are seen from %v later on", o.Path, (age + time.Since(noticed)).Round(time.Millisecond)))
		n.thin()
	}
}

// Newcomers are bounded: of more than keptNewcomers those leave that no process maps, the oldest first. They join again when they come back.
const keptNewcomers, mostNewcomers = 16, 64

func (n *newcomers) thin() {
	if len(n.armed) <= keptNewcomers {
		return
	}
	used := map[uint64]bool{}
	for _, o := range inUse() {
		used[fileOf(o).ino] = true
	}
	var stay []newcomer
	leave := len(n.armed) - keptNewcomers/2
	for _, c := range n.armed {
		if leave == 0 || used[c.ino] {
			stay = append(stay, c)
			continue
		}
		leave--
		c.part.retire()
		delete(n.known, c.id)
	}
	n.armed = stay
}

// arm gives an armed part for the drivers in an object, nil when it holds none.
func (n *newcomers) arm(o target.Object) (*part, error) {
	files := &openFiles{inProcesses: len(n.target.pids) > 0}
	defer files.close()
	found := files.drivers([]target.Object{o}, n.wanted)
	t := n.target
	t.objects = resolve.NewObjects()
	defer t.objects.Close()
	p := &part{backend: kernelBackend()}
	var err error
	if p.plan, err = n.planOf(t, found, p.backend); p.plan == nil {
		return nil, err
	}
	spared := n.spared(p.plan)
	if len(spared) > 0 {
		if found = n.withoutSpared(found, p.plan, spared); len(found) == 0 {
			return nil, fmt.Errorf("%s: %s", spared[0].Function, spared[0].Why)
		}
		if p.plan, err = n.planOf(t, found, p.backend); p.plan == nil {
			return nil, err
		}
	}
	if p.engine, err = beside(n.session.engine, p.plan); err != nil {
		return nil, err
	}
	p.decoder = plan.NewDecoder(p.plan, now(), n.session.symbols)
	if p.refused, err = p.engine.Arm(); err != nil {
		return nil, errors.Join(err, p.engine.Close())
	}
	p.refused = append(p.refused, spared...)
	return p, nil
}

// planOf plans what observes drivers, nil when there is nothing of them to observe.
func (n *newcomers) planOf(t Target, found []sqlprobe.Found, b backend) (*plan.Plan, error) {
	text := sqlprobe.Script(found, n.options.Stack)
	if text == "" {
		return nil, nil
	}
	s, err := script.Parse(text)
	if err != nil {
		return nil, err
	}
	r := *n.session.run
	p, err := t.resolve(s, &r, b)
	if err != nil {
		return nil, err
	}
	p.Filter = n.session.plan.Filter
	p.Limits.Ring = min(p.Limits.Ring, newcomerRing)
	return p, nil
}

// spared are the functions of a plan on which no kernel probe may lie, because another sonde has patched them.
func (n *newcomers) spared(p *plan.Plan) []plan.Refusal {
	_, left, _ := user.Apart(p, kernel.Narrowed(&p.Filter))
	return left
}

// withoutSpared are the drivers without functions that are spared. A driver that says nothing without them is left out as a whole, which is told.
func (n *newcomers) withoutSpared(found []sqlprobe.Found, p *plan.Plan, spared []plan.Refusal) []sqlprobe.Found {
	probes := map[string]bool{}
	for _, s := range spared {
		for i := range p.Probes {
			of := func(at plan.Site) bool { return at.Function == s.Site.Function }
			probes[p.Probes[i].Name] = probes[p.Probes[i].Name] || slices.ContainsFunc(p.Probes[i].Sites, of)
		}
	}
	var rest []sqlprobe.Found
	var lost []string
	for _, f := range found {
		without := f.Without(probes)
		switch {
		case without.Usable():
			rest = append(rest, without)
		case f.Usable():
			lost = append(lost, f.Driver.Name)
		}
	}
	if len(rest) > 0 && len(lost) > 0 {
		n.note(fmt.Sprintf("statements of %s in %s are not seen: another sonde has patched functions that tell them", strings.Join(lost, ", "), found[0].Target))
	}
	return rest
}

// newcomerRing is the size of a newcomer's ring: there may be many.
const newcomerRing = 4 << 20

// beside loads a further plan into the kernel. Where the first one follows what processes start, the further one must follow the same.
func beside(first engine.Session, p *plan.Plan) (engine.Session, error) {
	_, left, err := user.Apart(p, kernel.Narrowed(&p.Filter))
	if err != nil {
		return nil, err
	}
	if len(left) > 0 { // some of a driver's functions say nothing without the others
		return nil, fmt.Errorf("%s: %s", left[0].Function, left[0].Why)
	}
	code, err := compileKernel(p)
	if err != nil {
		return nil, err
	}
	switch k, ok := first.(*kernel.Session); {
	case ok:
		return k.Beside(p, code)
	case p.Filter.Children:
		return nil, errors.New("its engine does not tell which processes were started")
	}
	return kernel.Open(p, code)
}

// notes say what came and how it was observed.
func (n *newcomers) notes() []string {
	if n == nil {
		return nil
	}
	return n.list()
}
