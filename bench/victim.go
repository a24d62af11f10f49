package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// victims are the compiled programs that all tools observe.
type victims struct {
	loop     string
	reader   string         // reads records through package sonde
	many     map[int]string // by number of functions
	database *database
}

func build(cache string) (victims, error) {
	dir := filepath.Join(cache, "victims")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return victims{}, err
	}
	v := victims{loop: filepath.Join(dir, "loop"), many: map[int]string{}, database: &database{}}
	if err := compile("bench/victim/loop.c", v.loop, "-g", "-lpthread"); err != nil {
		return v, err
	}
	v.reader = filepath.Join(dir, "reader")
	if out, err := exec.Command("go", "build", "-o", v.reader, "./bench/reader").CombinedOutput(); err != nil {
		return v, fmt.Errorf("bench/reader: %w\n%s", err, out)
	}
	for _, n := range []int{1000, 10000} {
		v.many[n] = filepath.Join(dir, fmt.Sprintf("many%d", n))
		if err := compile("bench/victim/many.c", v.many[n], fmt.Sprintf("-DCOUNT=%d", n), "-lpthread"); err != nil {
			return v, err
		}
	}
	return v, nil
}

func compile(source, program string, flags ...string) error {
	cmd := exec.Command("gcc", append([]string{"-O2", "-o", program, source}, flags...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", source, err, out)
	}
	return nil
}
