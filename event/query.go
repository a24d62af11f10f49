package event

import "time"

// Statement is one execution of an SQL statement, as its client or its server saw it.
type Statement struct {
	Time     time.Time     // when it began
	Duration time.Duration // until the last row was delivered, or the answer was complete
	FirstRow time.Duration // until the first row or answer; 0 when it is not told apart
	PID      int
	TID      int
	Comm     string
	System   string // "postgresql", "mysql", "sqlite", "other_sql"
	Digest   string // literals replaced, lists collapsed
	Text     string // as it was sent, literals replaced unless they were asked for
	Cut      bool   // the text was longer than what is captured
	Rows     int64  // returned or changed; -1 unknown
	Failed   bool
	Error    string // message of a failed one, "" unknown
	Together uint64 // how many statements the text holds that this driver does not tell apart; 0: it is one
	Stack    []Frame
}

// Query is all that was seen of one digest.
type Query struct {
	System  string
	Digest  string
	Example string // text of the slowest execution
	Count   uint64
	Errors  uint64
	Error   string // the last one's message
	Rows    int64  // sum over all executions; -1 when one of them is unknown
	Latency Aggregate
	P50     time.Duration
	P95     time.Duration
	P99     time.Duration
	// FirstRow is the time to the first row or answer; nil where it came with the last one in every execution, or is not told apart.
	FirstRow *Quantiles
	Programs []string // names of the threads that issued it, the first few
	PIDs     []int    // the first few
	// Repeated is the most executions within one transaction: many of the same mark a loop around a query (N+1).
	Repeated uint64
	Together uint64       // how many statements each execution holds that its driver does not tell apart; 0: it is one
	Stack    []Frame      // of the slowest execution
	Slowest  []*Statement // the slowest executions, the slowest first
	Timeline Timeline
	// Others is how many digests are in this row because there were too many for a row each; 0 in every other row.
	Others uint64
	// Partial marks a digest that may have executions in the row of the others: they came before this row began.
	Partial bool
}

// Quantiles are times below which a half, 95 % and 99 % of what was measured lie, and the longest.
type Quantiles struct{ P50, P95, P99, Max time.Duration }

// Timeline is what ended when, in steps of equal length from Start on. All timelines of one readout have the same Start and Step.
type Timeline struct {
	Start time.Time
	Step  time.Duration
	Steps []Step // up to the last one in which something ended
}

// Step is what ended within one step of a timeline.
type Step struct {
	Count, Errors uint64
	Sum, Max      time.Duration
}

// Transaction is all that was seen of the transactions of one system.
type Transaction struct {
	System     string
	Count      uint64
	RolledBack uint64
	Statements uint64 // inside of them
	Latency    Aggregate
}

func (*Statement) isEvent()   {}
func (*Query) isEvent()       {}
func (*Transaction) isEvent() {}
