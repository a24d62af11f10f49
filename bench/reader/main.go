// Reader takes the records of one function through package sonde and counts them: what a program that uses the library can read, without
// printing anything.
//
// In: the engine, a process and a script. Out: when what it observes has ended, or at SIGINT, how many events came, how many were lost, and within what
// time. It must not know what the records are.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/sonde-project/sonde"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reader:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("ENGINE PID SCRIPT")
	}
	pid, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	target, err := sonde.Open(sonde.PID(pid))
	if err != nil {
		return err
	}
	defer target.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	session, err := target.Run(ctx, args[2], sonde.WithEngine(sonde.Engine(args[0])), sonde.Reuse(), sonde.OnReady(func() error { _, err := fmt.Println("reading"); return err }))
	if err != nil {
		return err
	}
	n := 0
	var first, last time.Time
	for range session.Events() {
		if n++; n == 1 {
			first = time.Now()
		} else if n&0xfff == 0 {
			last = time.Now()
		}
	}
	if err := session.Err(); err != nil {
		return err
	}
	stats := session.Stats()
	fmt.Printf("read %d\nlost %d\nseconds %.4f\n", n, stats.Lost, last.Sub(first).Seconds())
	return nil
}
