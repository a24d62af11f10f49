package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FindProgram finds a program by path, or by name as a shell does. What the file is (a script, a 32-bit program) is for
// whoever reads it to say. The error is a *script.Diagnostic.
func FindProgram(name string) (Object, error) {
	path, err := lookProgram(name, os.Getenv("PATH"), "")
	if err != nil {
		return Object{}, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Object{}, fileProblem(NoProgram, path, err)
	}
	o, err := root("").object(absolute, absolute)
	if err != nil {
		return Object{}, fileProblem(NoProgram, path, err)
	}
	o.Program = true
	return o, nil
}

// Find finds what a user called a target without naming a process: a path, a library, or a program in PATH, in this
// order. The error is a *script.Diagnostic.
func Find(name string) (Object, error) {
	if strings.Contains(name, "/") {
		return findFile(name) // a library need not be executable
	}
	library, noLibrary := FindLibrary(name)
	program, noProgram := FindProgram(name)
	if noLibrary == nil {
		if noProgram == nil && library.Note == "" {
			library.Note = fmt.Sprintf("it is the library %s; for the program write %s", filepath.Base(library.Path), program.Path)
		}
		return library, nil
	}
	if noProgram == nil {
		return program, nil
	}
	hints := append(hintsOf(noLibrary), hintsOf(noProgram)...)
	return Object{}, diagnosis(NoLibrary, fmt.Sprintf("no library and no program %q", name), hints...)
}

// lookProgram finds what execvp would run: a path as it is, a name in the folders of a PATH list. dir is the working
// directory that relative paths count from, "" the present one.
func lookProgram(name, list, dir string) (string, error) {
	if name == "" {
		return "", diagnosis(NoProgram, "no program is named")
	}
	if strings.Contains(name, "/") {
		return name, runnable(from(dir, name), name)
	}
	var denied error
	for _, folder := range filepath.SplitList(list) {
		if folder == "" {
			folder = "."
		}
		path := filepath.Join(folder, name)
		if !strings.Contains(path, "/") {
			path = "./" + path
		}
		err := runnable(from(dir, path), path)
		if err == nil {
			return path, nil
		}
		if _, missing := os.Stat(from(dir, path)); missing == nil && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	hints := nearHint(name, programs(list))
	if info, err := os.Stat(from(dir, name)); err == nil && info.Mode().IsRegular() {
		hints = append(hints, fmt.Sprintf("for the file of this name write ./%s", name))
	}
	return "", diagnosis(NoProgram, fmt.Sprintf("%s: not found in PATH", name), hints...)
}

func from(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// runnable says why a path cannot be executed, nil when it can.
func runnable(path, display string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diagnosis(NoProgram, fmt.Sprintf("%s: no such file", display), nearFiles(path)...)
	case err != nil:
		return fileProblem(NotExecutable, display, err)
	case info.IsDir():
		return diagnosis(NotExecutable, fmt.Sprintf("%s is a directory", display))
	case !info.Mode().IsRegular():
		return diagnosis(NotExecutable, fmt.Sprintf("%s is not a regular file", display))
	}
	if unix.Access(path, unix.X_OK) != nil {
		return diagnosis(NotExecutable, fmt.Sprintf("%s is not executable", display), "chmod +x makes it so, if it is a program")
	}
	return nil
}

// nearFiles offers other names of the same folder.
func nearFiles(path string) []string {
	return nearHint(filepath.Base(path), namesIn("", filepath.Dir(path)))
}

// programs lists the names in the folders of a PATH list.
func programs(list string) []string {
	var names []string
	for _, dir := range filepath.SplitList(list) {
		if dir != "" {
			names = append(names, namesIn("", dir)...)
		}
	}
	return names
}

// findFile gives the file at a path as it is; what it is, is for whoever reads it to say.
func findFile(path string) (Object, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Object{}, fileProblem(NoProgram, path, err)
	}
	o, err := root("").object(absolute, absolute)
	if err != nil {
		return Object{}, fileProblem(NoProgram, path, err)
	}
	o.Program = runnable(absolute, path) == nil
	return o, nil
}
