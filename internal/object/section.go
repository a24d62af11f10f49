package object

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/script"
)

// Program is one program of an object.
type Program struct {
	Name, Section string
	Kind          Kind
	// Place is the probe that the section names, "libc:malloc"; "" when it names none.
	Place string
	// Foreign says why the program is not for user-space probes, "" when it is.
	Foreign string
	// Probes says that the kernel lets it be armed in user space, whatever its section says.
	Probes bool
}

// Kind says when a program runs.
type Kind uint8

const (
	Entry   Kind = iota // at entries and other instructions
	Return              // when a function returns
	Session             // at both
	Static              // at USDT probes
)

// kinds are the sections of programs for user-space probes, without ".multi" and ".s".
var kinds = map[string]Kind{"uprobe": Entry, "uretprobe": Return, "uprobe.session": Session, "usdt": Static}

// findPrograms lists the object's programs by name.
func (o *Object) findPrograms() {
	for name, p := range o.Spec.Programs {
		if strings.HasPrefix(p.SectionName, ".text.") {
			continue // a function that programs may call, in a section of its own as rustc makes them
		}
		o.Programs = append(o.Programs, newProgram(name, p))
	}
	slices.SortFunc(o.Programs, func(a, b Program) int { return strings.Compare(a.Name, b.Name) })
}

// newProgram reads a section's name: "uprobe.multi.s/libc:mem*", "usdt//usr/bin/x:provider:name", "uretprobe".
func newProgram(name string, p *ebpf.ProgramSpec) Program {
	out := Program{Name: name, Section: p.SectionName, Probes: p.Type == ebpf.Kprobe}
	head, place, _ := strings.Cut(p.SectionName, "/")
	base := strings.TrimSuffix(strings.TrimSuffix(head, ".s"), ".multi")
	kind, ours := kinds[base]
	if !ours {
		out.Foreign = "its section is " + p.SectionName
		if strings.HasPrefix(base, "kret") {
			out.Kind = Return
		}
		return out
	}
	out.Kind = kind
	// A name without a colon is a label ("uretprobe/readline"): examples of libraries write it so, and their loaders say the rest.
	if strings.Contains(place, ":") {
		out.Place = rooted(place)
	}
	return out
}

// rooted gives a path its first slash back where the section's name lost it: Aya writes "uprobe/usr/bin/x:f" for /usr/bin/x.
func rooted(place string) string {
	path, _, _ := strings.Cut(place, ":")
	if strings.HasPrefix(path, "/") || strings.HasPrefix(path, ".") || !strings.Contains(path, "/") {
		return place
	}
	if _, err := os.Stat(path); err == nil {
		return place
	}
	if _, err := os.Stat(filepath.Join("/", path)); err != nil {
		return place
	}
	return "/" + place
}

// Aim is what the user says about where programs belong.
type Aim struct {
	// Target and Function are for programs whose section names no place.
	Target, Function string
	// Attach are "PROGRAM=PROBE": only the programs that it names run, each at its probes.
	Attach []string
}

// Armed is a program and where it is armed.
type Armed struct {
	Program
	Points []script.Point
}

// Arm decides which programs run and where.
func (o *Object) Arm(aim Aim) ([]Armed, error) {
	if len(aim.Attach) > 0 {
		return o.named(aim.Attach)
	}
	var out []Armed
	for _, p := range o.Programs {
		if p.Foreign != "" {
			return nil, o.foreign(p)
		}
		place := p.Place
		if place == "" {
			if aim.Function == "" {
				return nil, o.homeless(p)
			}
			place = aim.Function
			if aim.Target != "" {
				place = aim.Target + ":" + place
			}
		}
		pt, err := p.point(place)
		if err != nil {
			return nil, err
		}
		out = append(out, Armed{p, []script.Point{pt}})
	}
	return out, nil
}

// named takes the programs of PROGRAM=PROBE.
func (o *Object) named(attach []string) ([]Armed, error) {
	var out []Armed
	for _, text := range attach {
		name, place, found := strings.Cut(text, "=")
		if !found || place == "" {
			return nil, &script.Diagnostic{Code: script.BadProbe, Message: "--attach wants PROGRAM=PROBE", Text: text, Span: script.Span{To: len(text)},
				Hints: []string{"such as " + o.Programs[0].Name + "=libc:malloc"}}
		}
		at := slices.IndexFunc(o.Programs, func(p Program) bool { return p.Name == name })
		if at < 0 {
			return nil, o.unknown(NoProgram, "program", name, o.programNames())
		}
		p := o.Programs[at]
		if p.Foreign != "" && !p.Probes {
			return nil, o.foreign(p)
		}
		pt, err := p.point(place)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(out, func(a Armed) bool { return a.Name == name }); i >= 0 {
			out[i].Points = append(out[i].Points, pt)
			continue
		}
		out = append(out, Armed{p, []script.Point{pt}})
	}
	return out, nil
}

// point reads where a program of this kind is armed.
func (p *Program) point(place string) (script.Point, error) {
	kind := script.Uprobe
	switch p.Kind {
	case Return, Session: // a session sees the entry on the way to the return
		kind = script.Uretprobe
	case Static:
		kind = script.USDT
	}
	return script.ParsePoint(place, kind)
}

func (o *Object) programNames() []string {
	var names []string
	for _, p := range o.Programs {
		names = append(names, p.Name)
	}
	return names
}

// foreign refuses a program that needs more than user-space probes.
func (o *Object) foreign(p Program) error {
	d := &script.Diagnostic{Code: ForeignProgram, Message: "program " + p.Name + " is not for user-space probes: " + p.Foreign,
		Hints: []string{"sonde arms uprobe, uretprobe, uprobe.multi, uretprobe.multi, uprobe.session and usdt programs"}}
	if p.Probes {
		d.Hints = append(d.Hints, "its type can be armed in user space: --attach "+p.Name+"=TARGET:FUNCTION")
	} else {
		d.Hints = append(d.Hints, "--attach PROGRAM=TARGET:FUNCTION runs only the programs that it names")
	}
	return d
}

// homeless asks where a program belongs.
func (o *Object) homeless(p Program) error {
	place := "libc:malloc"
	if p.Kind == Static {
		place = "TARGET:PROVIDER:NAME"
	}
	hints := []string{"--attach " + p.Name + "=" + place}
	if len(o.Programs) == 1 && p.Kind != Static {
		hints = []string{"--target libc --function malloc, for example"}
	}
	return &script.Diagnostic{Code: NoPlace, Message: "nothing says where program " + p.Name + " belongs: its section is " + p.Section, Hints: hints}
}

// unknown is a name that the object does not have.
func (o *Object) unknown(code script.Code, what, name string, have []string) error {
	d := &script.Diagnostic{Code: code, Message: "no " + what + " " + name + " in " + filepath.Base(o.Name)}
	switch near := script.Near(name, have, 3); {
	case len(near) > 0:
		d.Hints = []string{"near names: " + strings.Join(near, ", ")}
	case len(have) > 0:
		d.Hints = []string{"it has: " + strings.Join(have[:min(len(have), 12)], ", ")}
	default:
		d.Hints = []string{"it has no " + what + "s"}
	}
	return d
}
