package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// size sums up the program's file and the libraries that its loader finds, without the C library that every machine has.
func (b *bed) size() ([]float64, error) {
	files, err := b.files()
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		total += info.Size()
	}
	return []float64{float64(total) / (1 << 20)}, nil
}

func (b *bed) files() ([]string, error) {
	if b.tool.name == "BCC" {
		return bccFiles()
	}
	name := b.tool.binary
	if name == "" {
		name = b.tool.name
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if line, ok := strings.CutPrefix(string(text[:min(len(text), 4096)]), "#!/bin/sh\nexec "); ok {
		return unpacked(line)
	}
	return append([]string{path}, libraries("ldd", path)...), nil
}

// unpacked reads the starter that peers.sh wrote: loader, libraries, program.
func unpacked(starter string) ([]string, error) {
	quoted := strings.Split(starter, `"`)
	if len(quoted) < 6 {
		return nil, errors.New("not a starter of bench/peers.sh")
	}
	loader, path, program := quoted[1], quoted[3], quoted[5]
	return append([]string{program}, libraries(loader, "--library-path", path, "--list", program)...), nil
}

// bccFiles are the library that compiles BCC's programs and what it needs; Python comes on top.
func bccFiles() ([]string, error) {
	found, err := filepath.Glob("/usr/lib/*/libbcc.so.0")
	if err != nil || len(found) == 0 {
		return nil, errors.New("no libbcc")
	}
	return append(found[:1], libraries("ldd", found[0])...), nil
}

// libraries lists what a loader would load; none for a static program.
func libraries(argv ...string) []string {
	var files []string
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(out), "\n") {
		_, rest, ok := strings.Cut(line, " => ")
		if fields := strings.Fields(rest); ok && len(fields) > 0 && filepath.Base(fields[0]) != "libc.so.6" {
			files = append(files, fields[0])
		}
	}
	return files
}
