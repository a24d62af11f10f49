package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sonde-project/sonde/script"
)

// Codes of what can be wrong with a target that a person names.
const (
	NoLibrary     script.Code = "no-library"
	NoProgram     script.Code = "no-program"
	NotExecutable script.Code = "not-executable"
	NoProcess     script.Code = "no-process"
	KernelThread  script.Code = "kernel-thread"
	Zombie        script.Code = "zombie"
	Leaderless    script.Code = "leaderless" // its first thread has ended, others have not
	NotPermitted  script.Code = "not-permitted"
	NoContainer   script.Code = "no-container"
	Unreachable   script.Code = "unreachable" // a deleted or replaced file that we may not open
)

func diagnosis(code script.Code, message string, hints ...string) *script.Diagnostic {
	return &script.Diagnostic{Code: code, Message: message, Hints: hints}
}

// nearHint offers names in place of one that was not found; nil when none is like it.
func nearHint(name string, candidates []string) []string {
	near := script.Near(name, candidates, 5)
	if len(near) == 0 {
		return nil
	}
	return []string{"near names: " + strings.Join(near, ", ")}
}

// fileProblem says why a file that was named cannot be used.
func fileProblem(code script.Code, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diagnosis(code, fmt.Sprintf("%s: no such file", path), deletedHint(path)...)
	case errors.Is(err, fs.ErrPermission):
		return diagnosis(NotPermitted, fmt.Sprintf("%s: permission denied", path))
	}
	var about *fs.PathError
	if errors.As(err, &about) {
		err = about.Err
	}
	return diagnosis(code, fmt.Sprintf("%s: %v", path, err))
}

// deletedHint names a process that runs a file which had this name.
func deletedHint(path string) []string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	for _, pid := range Running() {
		if exe, err := os.Readlink(procPath(pid, "exe")); err == nil && exe == absolute+" (deleted)" {
			return []string{fmt.Sprintf("process %d runs a file that had this name: observe it with -p %d", pid, pid)}
		}
	}
	return nil
}

// hintsOf gives the hints of a diagnostic.
func hintsOf(err error) []string {
	var d *script.Diagnostic
	if errors.As(err, &d) {
		return d.Hints
	}
	return nil
}
