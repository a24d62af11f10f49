package tracefs

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// A predicate that the kernel's event filters can evaluate is pushed down to them. They do not count what they reject, and a hit that is filtered belongs to
// the account. So there are two events at each site: one carries what the hit brings along and has the predicate for its filter, the other carries next to
// nothing and has the opposite. Each hit is a record of one of them.

// pushed is a predicate as the kernel's filters have it.
type pushed struct {
	filter string // of the event, over its arguments; "" nothing is pushed
	args   []string
	comm   bool
	text   string // for people
}

// operand is an argument of the event that a filter compares, and what numbers it can be compared with.
type operand struct {
	fetch  string
	signed bool
	bits   int
}

// errNotPushed are the reasons why a predicate stays with sonde.
var (
	errMemory  = errors.New("it is more than comparisons of registers and the thread's name")
	errSmall   = errors.New("a record of a hit is not larger than what would count it")
	errThreads = errors.New("threads are told by their names here")
	errJumps   = errors.New("some of its instructions are conditional jumps")
)

// predicate is what decides at an event whether its hit counts: of calls that are paired the entry's. nil: nothing does.
func (e *event) predicate(p *plan.Plan) plan.Expr {
	probe := &p.Probes[e.probe]
	body := &probe.Bodies[e.body]
	switch {
	case body.Frame == nil:
		return body.Pred
	case e.part == entries:
		return body.Frame.Pred
	}
	return nil
}

// push finds out whether the kernel can evaluate the event's predicate, or what comes first of it, and splits the event then. The error says why not.
func (e *event) push(p *plan.Plan) error {
	pred := e.predicate(p)
	switch {
	case pred == nil:
		return nil
	case p.Filter.Comm != "":
		return errThreads
	case e.want.flags:
		return errJumps
	}
	var f pushed
	text, err := f.leading(pred)
	if err != nil {
		return err
	}
	if e.small(&f) {
		return errSmall
	}
	f.text = text
	with := *e
	with.pushed, with.want.comm = f, e.want.comm || f.comm
	if err := with.fits(p.Probes[e.probe].Name); err != nil {
		return err
	}
	*e = with
	e.rest = &event{probe: e.probe, body: e.body, part: e.part, sites: e.sites, name: e.name + "_filtered", counts: true, pushed: f}
	e.rest.filter, e.rest.want.comm = "!("+f.filter+")", f.comm
	return nil
}

// small reports whether an event carries nothing but what the predicate looks at.
func (e *event) small(f *pushed) bool {
	registers := 0
	for _, wanted := range e.want.regs {
		if wanted {
			registers++
		}
	}
	return len(e.want.blocks) == 0 && registers <= len(f.args)+1
}

// leading takes the first parts of a conjunction up to one that cannot be pushed: what they reject nobody would look at further.
func (f *pushed) leading(e plan.Expr) (string, error) {
	if b, ok := e.(*plan.Binary); ok && b.Op == "&&" {
		left := *f
		text, err := left.leading(b.X)
		if err != nil {
			return "", err
		}
		both := *f
		if whole, err := both.truth(e); err == nil {
			*f = both
			return whole, nil
		}
		*f = left
		return text, nil
	}
	return f.truth(e)
}

// truth writes an expression that is true or false; the filter is over names, the text over what they stand for.
func (f *pushed) truth(e plan.Expr) (text string, err error) {
	f.filter, text, err = f.condition(e)
	return text, err
}

func (f *pushed) condition(e plan.Expr) (filter, text string, err error) {
	b, ok := e.(*plan.Binary)
	if !ok {
		if u, not := e.(*plan.Unary); not && u.Op == "!" {
			filter, text, err = f.condition(u.X)
			return "!(" + filter + ")", "!(" + text + ")", err
		}
		return f.compare(e, "!=", 0, false)
	}
	switch b.Op {
	case "&&", "||":
		left, leftText, err := f.condition(b.X)
		if err != nil {
			return "", "", err
		}
		right, rightText, err := f.condition(b.Y)
		return "(" + left + ") " + b.Op + " (" + right + ")", "(" + leftText + ") " + b.Op + " (" + rightText + ")", err
	case "==", "!=", "<", "<=", ">", ">=":
		if t, ok := b.Y.(*plan.Text); ok {
			return f.name(b.X, b.Op, t.S)
		}
		if c, ok := b.Y.(*plan.Const); ok {
			return f.compare(b.X, b.Op, c.V, b.Signed)
		}
		if c, ok := b.X.(*plan.Const); ok {
			return f.compare(b.Y, turned(b.Op), c.V, b.Signed)
		}
	case "&":
		return f.compare(e, "!=", 0, false)
	}
	return "", "", errMemory
}

// turned is an operator whose sides change places.
func turned(op string) string {
	switch op[0] {
	case '<':
		return ">" + op[1:]
	case '>':
		return "<" + op[1:]
	}
	return op
}

// name compares the thread's name. Only texts are taken that mean themselves in a filter.
func (f *pushed) name(e plan.Expr, op, text string) (string, string, error) {
	v, ok := e.(*plan.Value)
	plainText := text != "" && len(text) < plan.CommSize && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:") == ""
	if !ok || v.B != plan.Comm || op != "==" && op != "!=" || !plainText {
		return "", "", errMemory
	}
	f.comm = true
	condition := fmt.Sprintf("comm %s %q", op, text)
	return condition, condition, nil
}

// compare compares a register, or some of its bits, with a constant.
func (f *pushed) compare(e plan.Expr, op string, c int64, signed bool) (string, string, error) {
	if b, ok := e.(*plan.Binary); ok && b.Op == "&" && c == 0 && (op == "!=" || op == "==") {
		mask, constant := b.Y.(*plan.Const)
		o, ok := registerOf(b.X)
		if !ok || !constant || mask.V <= 0 || !o.holds(mask.V) {
			return "", "", errMemory
		}
		filter, text := f.write(o, "&", mask.V)
		if op == "==" {
			filter, text = "!("+filter+")", "!("+text+")"
		}
		return filter, text, nil
	}
	o, ok := registerOf(e)
	ordered := op != "==" && op != "!="
	if !ok || !o.holds(c) || ordered && o.signed != signed && (o.signed || o.bits == 64) {
		return "", "", errMemory
	}
	filter, text := f.write(o, op, c)
	return filter, text, nil
}

// write adds the operand to the event's arguments.
func (f *pushed) write(o operand, op string, c int64) (filter, text string) {
	number := fmt.Sprint(c)
	if !o.signed {
		number = fmt.Sprint(uint64(c))
	}
	name := fmt.Sprintf("p%d", len(f.args))
	f.args = append(f.args[:len(f.args):len(f.args)], name+"="+o.fetch)
	return name + " " + op + " " + number, o.fetch + " " + op + " " + number
}

// registerOf is the operand that a register is, with the width and sign that the expression gives it.
func registerOf(e plan.Expr) (operand, bool) {
	r, t, ok := registerIn(e)
	if !ok || r == ctype.RSP || int(r) >= len(registerNames) {
		return operand{}, false
	}
	return operandOf(r, t)
}

// registerIn finds the register of an expression that cuts it at most.
func registerIn(e plan.Expr) (ctype.Register, plan.Type, bool) {
	switch x := e.(type) {
	case *plan.Reg:
		return x.R, x.T, true
	case *plan.Cast:
		r, t, ok := registerIn(x.X)
		return r, x.T, ok && width(x.T) <= width(t)
	}
	return 0, plan.Type{}, false
}

func operandOf(r ctype.Register, t plan.Type) (operand, bool) {
	if t.Kind != plan.IntType {
		return operand{}, false
	}
	o := operand{signed: t.Signed, bits: 8 * width(t)}
	letter := "u"
	if o.signed {
		letter = "s"
	}
	o.fetch = fmt.Sprintf("%%%s:%s%d", registerNames[r], letter, o.bits)
	return o, o.bits == 8 || o.bits == 16 || o.bits == 32 || o.bits == 64
}

func width(t plan.Type) int {
	if t.Size == 0 {
		return 8
	}
	return t.Size
}

// holds reports whether a number is one of the operand's: filters compare in its width.
func (o operand) holds(c int64) bool {
	switch {
	case o.bits == 64:
		return true
	case o.signed:
		return c >= math.MinInt64>>(64-o.bits) && c <= math.MaxInt64>>(64-o.bits)
	}
	return c >= 0 && c < 1<<o.bits
}

// Predicates says of each predicate of a plan who evaluates it.
func Predicates(p *plan.Plan) []string {
	list, err := layout(p)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range list {
		body := &p.Probes[e.probe].Bodies[e.body]
		var notes []string
		switch {
		case e.predicate(p) == nil:
		case e.filter != "":
			notes = append(notes, "the kernel evaluates "+e.text)
		default:
			notes = append(notes, fmt.Sprintf("sonde evaluates it: %v", e.kept))
		}
		if body.Frame != nil && body.Pred != nil {
			notes = append(notes, "sonde evaluates what it asks of the return: the entry is looked for first")
		}
		for _, note := range notes {
			if note = "predicate of " + p.Probes[e.probe].Name + ": " + note; !slices.Contains(out, note) {
				out = append(out, note)
			}
		}
	}
	return out
}
