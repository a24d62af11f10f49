package kernel

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/script"
)

// explain turns the kernel's refusal of the object into a diagnostic.
func (s *Object) explain(err error) error {
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) && len(verifier.Log) > 0 {
		if s.verifier != nil {
			io.WriteString(s.verifier, strings.Join(verifier.Log, "\n")+"\n")
		}
		return refusedObject(s.subject(err), verifier)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return notPermitted("load eBPF programs and maps")
	}
	return &script.Diagnostic{Code: object.BadObject, Message: fmt.Sprintf("%s: %v", s.Object.Name, err)}
}

// subject names the program that an error of cilium/ebpf is about.
func (s *Object) subject(err error) string {
	for _, a := range s.Armed {
		if strings.Contains(err.Error(), "program "+a.Name+":") {
			return "program " + a.Name
		}
	}
	return s.Object.Name
}

// refusedObject says why the verifier refused a program of someone else: its reason, the line of source where it stopped, and what authors do
// about it.
func refusedObject(subject string, v *ebpf.VerifierError) error {
	reason, line := lastWords(v.Log)
	d := &script.Diagnostic{Code: codeRefused}
	if reason == "" {
		d.Message = fmt.Sprintf("%s: the kernel refuses it: %v", subject, v.Cause)
		return d
	}
	d.Message = fmt.Sprintf("%s: the kernel's verifier refuses it: %s", subject, reason)
	if line != "" {
		source, place, _ := strings.Cut(line, " @ ")
		if place != "" {
			d.Text = place + ": "
		}
		d.Span.From = len(d.Text)
		d.Text += source
		d.Span.To = len(d.Text)
	}
	if remedy := remedyFor(reason); remedy != "" {
		d.Hints = append(d.Hints, remedy)
	}
	d.Hints = append(d.Hints, "--verbose shows all that the verifier says")
	return d
}

// lastWords finds the verifier's reason, and the line of source that it was at: "; return *value; @ prog.bpf.c:19", where the object says so.
func lastWords(log []string) (reason, line string) {
	for _, l := range log {
		switch l = strings.TrimSpace(l); {
		case l == "" || bookkeeping(l):
		case strings.HasPrefix(l, ";  @"): // an instruction of no line
		case strings.HasPrefix(l, ";"):
			line = strings.TrimSpace(strings.TrimPrefix(l, ";"))
		default:
			reason = l
		}
	}
	return reason, line
}

// remedyFor says what the author of a program does about a reason of the verifier.
func remedyFor(reason string) string {
	for _, r := range []struct{ words, remedy string }{
		{"_or_null", "what a look-up or a reservation gives may be NULL: compare it with NULL before it is used"},
		{"Unreleased reference", "what bpf_ringbuf_reserve gave is submitted or discarded on every way out"},
		{"cannot call GPL-restricted", `such functions are for programs that say: char LICENSE[] SEC("license") = "GPL";`},
		{"invalid mem access 'scalar'", "memory of the process is read by bpf_probe_read_user"},
		{"unknown func", "the kernel does not have this function, or not for programs at probes"},
		{"cannot use helper", "the kernel does not have this function for programs at probes"},
		{"from stack", "more is read than was stored there: set the variable, and its padding, first"},
		{"to stack", "an index or a length may be out of the variable: compare it with a constant before it is used"},
		{"min value is negative", "an index or a length may be negative: make it unsigned"},
		{"unbounded", "compare the index or the length with a constant before it is used"},
		{"outside of the", "an index or a length may be out of bounds: compare it with a constant before it is used"},
		{"infinite loop", "the verifier must see the loop end: give it a constant number of rounds, or use bpf_loop"},
	} {
		if strings.Contains(reason, r.words) {
			return r.remedy
		}
	}
	if tooLarge(reason) {
		return "the program is more than the verifier follows: shorten loops, or split it"
	}
	return ""
}
