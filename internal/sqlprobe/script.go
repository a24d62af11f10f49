package sqlprobe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Found is an object that holds a driver.
type Found struct {
	Driver Driver
	Target string                     // as a probe point names it
	Has    func(function string) bool // nil: everything
	Code   func(function string) []byte
}

// place puts the fields of the driver where its probes have their names.
func (f Found) place(text string) string {
	for _, field := range f.Driver.Fields {
		value := field.Otherwise
		if at, ok := field.offset(f.code(field.Function)); ok {
			value = fmt.Sprintf(field.Value, at)
		}
		text = strings.ReplaceAll(text, field.Name, value)
	}
	return text
}

func (f Found) code(function string) []byte {
	if f.Code == nil {
		return nil
	}
	return f.Code(function)
}

// offset reads the field's place from the beginning of a function that does little else. The byte before it (ModRM) tells whether it has
// one byte or four.
func (f Field) offset(code []byte) (uint32, bool) {
	const beginning, near = 24, 0x40
	for i := range min(len(code), beginning) {
		for _, opcode := range f.Opcodes {
			at, found := bytes.CutPrefix(code[i:], []byte(opcode))
			switch {
			case !found:
			case opcode[len(opcode)-1]&0xc0 == near && len(at) > 0 && at[0] < 0x80:
				return uint32(at[0]), true
			case opcode[len(opcode)-1]&0xc0 != near && len(at) >= 4:
				place := binary.LittleEndian.Uint32(at)
				return place, place < 1<<16
			}
		}
	}
	return 0, false
}

// usable drops the optional probes that the object lacks; false when one that is needed is missing.
func (f Found) usable() ([]Probe, bool) {
	for _, field := range f.Driver.Fields {
		if _, ok := field.offset(f.code(field.Function)); !ok && field.Otherwise == "" {
			return nil, false
		}
	}
	var probes []Probe
	for _, p := range f.Driver.Probes {
		switch {
		case f.Has == nil || f.Has(p.Function):
			probes = append(probes, p)
		case !p.Optional:
			return nil, false
		}
	}
	return probes, true
}

// Usable reports whether the statements of the driver can be observed: the object has what is needed.
func (f Found) Usable() bool {
	_, ok := f.usable()
	return ok
}

// Without is the driver as if the object lacked the functions of some probes, which are named as a plan names them: KIND:TARGET:FUNCTION.
func (f Found) Without(probes map[string]bool) Found {
	has := f.Has
	f.Has = func(function string) bool {
		at := f.Target + ":" + function
		return !probes["uprobe:"+at] && !probes["uretprobe:"+at] && (has == nil || has(function))
	}
	return f
}

// Script is the script that observes the statements of what was found; "" when none of it can be observed.
func Script(found []Found, stack bool) string {
	var b strings.Builder
	for _, f := range found {
		probes, ok := f.usable()
		if !ok {
			continue
		}
		for _, p := range probes {
			b.WriteString(f.place(p.text(f.Driver.Name, f.Target, stack)))
		}
	}
	return b.String()
}

func (p Probe) text(driver, target string, stack bool) string {
	var b strings.Builder
	kind := "uprobe:"
	if p.Return {
		kind = "uretprobe:"
	}
	b.WriteString(kind + target + ":" + p.Function)
	if p.If != "" {
		b.WriteString(" /" + p.If + "/")
	}
	b.WriteString(" {\n")
	body := p.Body
	if p.Says.Role != "" {
		says := p.Says.statement(driver, stack)
		if !strings.Contains(body, saysHere) {
			body = strings.TrimSpace(body + " " + saysHere)
		}
		body = strings.Replace(body, saysHere, says, 1)
		body = strings.Replace(body, elseHere, p.Else.statement(driver, stack), 1)
	}
	for line := range strings.SplitSeq(body, "\n") {
		b.WriteString("\t" + line + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// Where a body has its records.
const saysHere, elseHere = "SAYS", "ELSE"
