package capture

import (
	"strconv"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// guessed is how many argument registers of an untyped function are shown.
const guessed = 6

// Guess captures the argument registers of a function of unknown type, as arg0, arg1, ...: small numbers, text where a
// register leads to some, else addresses. Every value is marked as a guess.
func Guess(limits plan.Limits, keep Keep) []plan.Node {
	b := newBuilder(limits, keep, &ctype.Signature{Lang: event.LangC})
	var nodes []*tree
	for i, r := range []ctype.Register{ctype.RDI, ctype.RSI, ctype.RDX, ctype.RCX, ctype.R8, ctype.R9} {
		nodes = append(nodes, b.guess("arg"+strconv.Itoa(i), reg(r)))
	}
	b.run()
	return flatten(nodes)
}

// goRegisters pass the numbers and pointers of Go's parameters and results. Source: ABIInternal, amd64.
var goRegisters = [...]ctype.Register{ctype.RAX, ctype.RBX, ctype.RCX, ctype.RDI, ctype.RSI, ctype.R8, ctype.R9, ctype.R10, ctype.R11}

// GuessGo captures the first registers of those that pass parameters in Go, as they are; a register that seems to be the
// address of a string whose length is in the next one is shown as that string.
func GuessGo(registers int, limits plan.Limits, keep Keep) []plan.Node {
	var words []plan.Expr
	for _, r := range goRegisters[:min(registers, len(goRegisters))] {
		words = append(words, reg(r))
	}
	return guessWords(words, limits, keep)
}

// GuessGoStack does it with the words that the caller of an assembler function laid on the stack: parameters, then room for results.
func GuessGoStack(words int, limits plan.Limits, keep Keep) []plan.Node {
	var list []plan.Expr
	for i := range int64(min(words, len(goRegisters))) {
		list = append(list, load(add(stackPointer(), 8+8*i), 8, false))
	}
	return guessWords(list, limits, keep)
}

func guessWords(words []plan.Expr, limits plan.Limits, keep Keep) []plan.Node {
	b := newBuilder(limits, keep, &ctype.Signature{Lang: event.LangGo})
	var nodes []*tree
	for i, x := range words {
		var length plan.Expr
		if i+1 < len(words) {
			length = words[i+1]
		}
		nodes = append(nodes, b.guessGo("arg"+strconv.Itoa(i), x, length))
	}
	b.run()
	return flatten(nodes)
}

// GuessResult captures the result register of a function of unknown type.
func GuessResult(lang event.Language, limits plan.Limits, keep Keep) *plan.Node {
	b := newBuilder(limits, keep, &ctype.Signature{Lang: lang})
	n := &tree{}
	if lang == event.LangGo {
		n = b.guessGo("", reg(goRegisters[0]), reg(goRegisters[1]))
	} else {
		n = b.guess("", reg(ctype.RAX))
	}
	b.run()
	return &flatten([]*tree{n})[0]
}

// highestAddress is the end of user space on amd64 with four levels of page tables.
const highestAddress = 1 << 47

// Static captures the arguments of a static probe, of which nothing but size and sign is known.
func Static(args []plan.Expr, limits plan.Limits, keep Keep) []plan.Node {
	b := newBuilder(limits, keep, &ctype.Signature{Lang: event.LangC})
	var nodes []*tree
	for i, x := range args {
		name := "arg" + strconv.Itoa(i)
		if t := x.Type(); t.Size == 8 && !t.Signed {
			nodes = append(nodes, b.guess(name, x))
			continue
		}
		n := &tree{Node: plan.Node{Name: name, T: x.Type(), Lang: b.lang}}
		n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: x}, 0, 8)}
		nodes = append(nodes, n)
	}
	b.run()
	return flatten(nodes)
}

func (b *builder) guess(name string, x plan.Expr) *tree {
	n := &tree{Node: plan.Node{Name: name, T: unsigned, Lang: b.lang, Guess: true}}
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: x}, 0, 8)}
	if !b.reachesText(0) {
		return n
	}
	b.later(0, func() {
		m := &tree{Node: plan.Node{View: plan.AsLikely, Lang: b.lang}}
		b.text(m, origin{addr: x, when: and(compare(">", x, lowestAddress), compare("<", x, highestAddress))})
		n.follow = append(n.follow, m)
	})
	return n
}

// guessGo is a word of Go, and the string that it may lead to if the next word is a length.
func (b *builder) guessGo(name string, x, length plan.Expr) *tree {
	n := &tree{Node: plan.Node{Name: name, T: unsigned, Lang: b.lang, Guess: true}}
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: x}, 0, 8)}
	if length == nil || !b.reachesText(0) {
		return n
	}
	b.later(0, func() {
		m := &tree{Node: plan.Node{Lang: b.lang}}
		here := and(compare(">", x, lowestAddress), compare("<", x, highestAddress))
		b.counted(m, origin{addr: x, when: and(here, compare("<", length, likeliestBytes))}, length, plan.AsLikely)
		n.follow = append(n.follow, m)
	})
	return n
}
