package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/internal/render/live"
	"github.com/sonde-project/sonde/internal/render/page"
	"github.com/sonde-project/sonde/internal/sqlstat"
)

// statements is what `sonde sql` asks for beside a request.
type statements struct {
	request
	server     bool
	stack      bool
	slow       time.Duration
	literals   bool
	showScript bool
}

func sqlCommand(w world) *cobra.Command {
	var f flags
	var s statements
	c := &cobra.Command{
		Use:   "sql [flags] [-- COMMAND ARGS...]",
		Short: "the slowest SQL statements of any program or database server",
		Long: `Show which SQL statements take the time: of programs, through the drivers that they load (libpq,
libmariadb, libmysqlclient, SQLite, Go's database/sql, pgx), or of database servers (PostgreSQL, MariaDB,
MySQL). Statements are told apart without their literals, which are not shown.`,
		Example: `  sonde sql -p 4242
  sonde sql -- ./report.py
  sonde sql --server -d 10s
  sonde sql --slow 10ms
  sonde sql -d 1m -o report.html`,
		Args: cobra.ArbitraryArgs,
	}
	c.Flags().BoolVar(&s.server, "server", false, "observe database servers, not their clients")
	c.Flags().Var((*period)(&s.slow), "slow", "show each statement that takes at least this `TIME`, as it ends")
	redact := c.Flags().Bool("redact", true, "show statements without their literals")
	c.Flags().BoolVar(&s.literals, "show-literals", false, "show statements with their literals: --redact=false")
	f.stacked(c.Flags())
	f.output.report = true
	f.observing(c.Flags())
	c.Flags().Lookup("output").Usage = "write `FORMAT` (text, json, csv, html) to standard output, or the format of its extension to FILE.ext"
	f.complete(c)
	c.Flags().BoolVar(&f.live, "live", false, "show the table while it grows; on a terminal this is so without a command, --slow, and -o FORMAT")
	c.RunE = func(c *cobra.Command, args []string) error {
		if rest := f.split(c, args); len(rest) > 0 {
			return usage([]string{"a command stands behind --: sonde sql -- " + shellWords(rest)}, "sonde sql takes no probes: %q", rest[0])
		}
		if !c.Flags().Changed("live") {
			f.live = len(f.command) == 0 && s.slow == 0 && (f.output.file != "" || f.output.kind() == render.Text) && live.Interactive(w.in, w.out)
		}
		if err := f.watchable(); err != nil {
			return err
		}
		if f.live && s.slow > 0 && f.output.file == "" {
			return usage([]string{"-o FILE.json leaves standard output to the table"}, "--live shows a table where --slow writes statements")
		}
		s.literals = s.literals || !*redact
		s.request, s.stack, s.showScript = f.request, f.stack, f.showScript
		return w.sql(c.Context(), w, s)
	}
	return c
}

// observeSQL runs the script of the drivers that are in reach and writes what their statements took.
func observeSQL(ctx context.Context, w world, s statements) (err error) {
	t, err := s.open()
	if err != nil {
		return err
	}
	defer t.Close()
	o := sonde.SQLOptions{Server: s.server, Stack: s.stack}
	if s.stringLimit == 0 {
		s.stringLimit = sonde.SQLText
	}
	if s.showScript || s.explain {
		return s.shownOnly(w, t, o)
	}
	to, err := s.output.open(w)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, to.Close()) }()
	sink, err := s.sink(w, to)
	if err != nil {
		return err
	}
	stream := sqlstat.NewStream(sink, sqlstat.Options{Slow: s.slow, Literals: s.literals, Gone: sqlstat.Gone})
	options := append(s.options(), sonde.OnIdle(stream.Flush))
	p := newProgress(w.err)
	defer p.done()
	session, err := t.RunSQL(ctx, o, append(options, s.signs(w, p)...)...)
	if err != nil {
		return err
	}
	if s.live {
		return s.watch(ctx, w, session, stream)
	}
	return s.finish(w, session, s.drain(session, stream), stream)
}

// shownOnly writes the script, or what it would arm, and runs nothing.
func (s statements) shownOnly(w world, t *sonde.Target, o sonde.SQLOptions) error {
	script, err := t.SQLScript(o)
	if err != nil {
		return err
	}
	if s.showScript {
		return show(w, script)
	}
	return t.Explain(w.out, script, s.options()...)
}

// watch shows the table while it grows, and writes the final one once it is off the screen.
func (s statements) watch(ctx context.Context, w world, session *sonde.Session, stream *sqlstat.Stream) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	drained := make(chan error, 1)
	go func() {
		defer stop()
		drained <- s.drain(session, stream)
	}()
	now := func() live.Statements {
		return live.Statements{Time: time.Now(), Queries: stream.Queries(), Transactions: stream.Transactions()}
	}
	err := live.RunStatements(ctx, w.in, w.out, now, live.Options{Options: s.shown(w, w.out), Losses: losses(session)})
	session.Stop()
	return s.finish(w, session, firstError(err, <-drained), stream)
}

// sink is where statements and tables go.
func (s statements) sink(w world, to *os.File) (render.Stream, error) {
	if s.output.kind() == render.HTML {
		return page.New(to, page.Options{}), nil
	}
	return render.New(s.output.kind(), to, s.shown(w, to))
}
