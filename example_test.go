package sonde_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// Calls of a C library function in a command, with values by name.
func Example() {
	target, err := sonde.Open(sonde.Command("cat", "/dev/null", "/nope"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.Trace(context.Background(), "libc:open")
	if err != nil {
		log.Fatal(err)
	}
	for call := range session.Calls() {
		fmt.Println(call.Arg("path"), call.Arg("flags"), call.Return.Int64() >= 0, call.Errno == "ENOENT")
	}
	if err := session.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// "/dev/null" O_RDONLY true false
	// "/nope" O_RDONLY false true
}

// Only the calls that a condition is true for; in it a parameter's name stands for its value.
func ExampleIf() {
	target, err := sonde.Open(sonde.Library("libc"), sonde.Command("cat", "/dev/null", "/nope"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.Trace(context.Background(), "open", sonde.If(`retval < 0 && path == "/nope"`))
	if err != nil {
		log.Fatal(err)
	}
	for call := range session.Calls() {
		fmt.Println(call.Arg("path"), call.Return)
	}
	fmt.Println("rejected:", session.Stats().Filtered)
	// Output:
	// "/nope" -1
	// rejected: 1
}

// Counts are aggregated in the kernel; a snapshot reads them at any time.
func ExampleTarget_Count() {
	target, err := sonde.Open(sonde.Command("cat", "/dev/null", "/dev/null", "/dev/null"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.Count(context.Background(), "libc:open", sonde.By("path"))
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		log.Fatal(err)
	}
	snapshot, err := session.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	counts, _ := snapshot.Map("")
	for _, entry := range counts.Entries {
		fmt.Println(entry.Function.Function, entry.Key[1].Chars(), entry.Agg.Count)
	}
	// Output:
	// open /dev/null 3
}

// How long calls take: count, sum and buckets in nanoseconds.
func ExampleTarget_Time() {
	target, err := sonde.Open(sonde.Command("sleep", "0.01"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.Time(context.Background(), "libc:clock_nanosleep")
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		log.Fatal(err)
	}
	snapshot, err := session.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	times, _ := snapshot.Map("")
	sleeps, _ := times.Function("clock_nanosleep")
	fmt.Println(sleeps.Count, time.Duration(sleeps.Min) >= 10*time.Millisecond)
	// Output:
	// 1 true
}

// A script in sonde's language, which is bpftrace's. Its printf is an event.Print, its maps come at the end.
func ExampleTarget_Run() {
	target, err := sonde.Open(sonde.Command("cat", "/dev/null", "/nope"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.Run(context.Background(), `
		uprobe:libc:open { printf("%s\n", str(args.path)); @opened = count(); }`)
	if err != nil {
		log.Fatal(err)
	}
	for e := range session.Events() {
		switch e := e.(type) {
		case *event.Print:
			fmt.Print(e.Text())
		case *event.MapPrint:
			fmt.Println("@"+e.Map.Name, e.Map.Total())
		}
	}
	// Output:
	// /dev/null
	// /nope
	// @opened 2
}

// What can be observed, with signatures.
func ExampleTarget_List() {
	target, err := sonde.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	point, err := script.ParsePoint("libc:getaddrinfo", script.Uprobe)
	if err != nil {
		log.Fatal(err)
	}
	functions, err := target.List(point, sonde.Functions)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range functions {
		fmt.Println(f.Signature)
	}
	// Output:
	// int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
}

// The plan: what would be armed where, without arming it.
func ExampleTarget_Explain() {
	target, err := sonde.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	s, err := script.Parse("uprobe:libc:malloc { @[comm] = count(); }")
	if err != nil {
		log.Fatal(err)
	}
	var plan strings.Builder
	if err := target.Explain(&plan, s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(plan.String(), "malloc"))
	// Output:
	// true
}

// Mistakes are told apart by their codes, and know what may have been meant.
func ExampleOpen_mistakes() {
	target, err := sonde.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	_, err = target.Count(context.Background(), "libc:mallc")
	var mistake *script.Diagnostic
	switch {
	case errors.Is(err, os.ErrPermission):
		fmt.Println("not permitted")
	case errors.Is(err, script.NoFunction) && errors.As(err, &mistake):
		fmt.Println(mistake.Message)
		fmt.Println(mistake.Text[mistake.Span.From:mistake.Span.To])
	}
	// Output:
	// no function "mallc" in libc.so.6
	// mallc
}

// The SQL statements of a program, and what they came to. Literals are left out unless asked for.
func ExampleTarget_SQL() {
	target, err := sonde.Open(sonde.Command("sqlite3", ":memory:", "create table t(a); insert into t values(1); insert into t values(2)"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.SQL(context.Background(), sonde.SQLOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for statement := range session.Statements() {
		fmt.Println(statement.System, statement.Digest)
	}
	if err := session.Err(); err != nil {
		log.Fatal(err)
	}
	for _, query := range session.Queries() {
		if query.Count > 1 {
			fmt.Println(query.Count, "times", query.Digest)
		}
	}
	// Output:
	// sqlite CREATE TABLE t ( a )
	// sqlite INSERT INTO t VALUES ( ? )
	// sqlite INSERT INTO t VALUES ( ? )
	// 2 times INSERT INTO t VALUES ( ? )
}
