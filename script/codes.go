package script

// Codes of the mistakes that parsing finds. Each has an example in the tests.
const (
	BadCharacter    Code = "bad-character"    // a character that begins nothing
	BadEscape       Code = "bad-escape"       // "\q"
	BadNumber       Code = "bad-number"       // 0x, 08, 1.5, 2^64
	UnclosedString  Code = "unclosed-string"  // "abc
	UnclosedComment Code = "unclosed-comment" // /* abc
	UnclosedBracket Code = "unclosed-bracket" // ( [ or { without its end
	MissingOperand  Code = "missing-operand"  // pid == /
	Unexpected      Code = "unexpected"       // a word that cannot stand here
	NotAssignable   Code = "not-assignable"   // pid = 1
	Assignment      Code = "assignment"       // = where a condition is
	UnknownName     Code = "unknown-name"     // pdi
	UnknownFunction Code = "unknown-function" // pritnf()
	BadArguments    Code = "bad-arguments"    // hist()
	UnknownProbe    Code = "unknown-probe"    // uprob:libc:malloc
	BadProbe        Code = "bad-probe"        // uprobe:libc:
	BadRegexp       Code = "bad-regexp"       // libc:/(/
	NothingToDo     Code = "nothing-to-do"    // an empty script
	BadMacro        Code = "bad-macro"        // a macro without a value where one must be
	Unsupported     Code = "unsupported"      // bpftrace has it, sonde does not
	NoReturn        Code = "no-return"        // time of a source line
	TooLong         Code = "too-long"         // input beyond a limit
	TooDeep         Code = "too-deep"         // nesting beyond a limit
)
