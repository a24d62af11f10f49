package main

import (
	"errors"
	"path/filepath"
)

// uftrace patches functions of a program that it starts, and records entries and returns with their times, whatever it is asked.
func uftrace() tool {
	return tool{name: "uftrace", missing: lookup("uftrace"), starts: true,
		argv: func(j job) ([]string, error) {
			argv := []string{"uftrace", "record", "--no-pager", "--no-libcall", "-d", filepath.Join(j.scratch, "uftrace"), "-P", j.function}
			switch {
			case j.kind == rejecting, j.kind == passing, j.kind.ofSQL():
				return nil, errNotOffered
			case j.command == nil:
				return nil, errStarts
			case j.kind == recording:
				argv = append(argv, "-A", j.function+"@arg1/i32,arg2/i64,arg3/i32,arg4/s")
			case j.command[1] != "run":
				return nil, errors.New("counts when the recording is read")
			}
			return append(argv, j.command...), nil
		},
		marker: func(job) string { return "" }}
}
