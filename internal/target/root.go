package target

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// root is a folder below which paths mean what they mean to an observed process: "" for our own view, else
// "/proc/PID/root". A path that the kernel walks below /proc/PID/root leaves it at the first absolute symbolic link, which
// the kernel takes from our own root; so links are followed here.
type root string

// maxLinks is the kernel's own limit (MAXSYMLINKS).
const maxLinks = 40

// open gives the path by which we open what the process calls path. For our own view it is the path itself.
func (r root) open(path string) string { return string(r) + path }

// resolve follows all symbolic links in an absolute path, within the root.
func (r root) resolve(path string) (string, error) {
	if r == "" {
		return resolveOurs(path)
	}
	rest, done := strings.Split(path, "/"), "/"
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, part)
		to, err := os.Readlink(r.open(next))
		switch {
		case errors.Is(err, syscall.EINVAL): // no link
			done = next
			continue
		case err != nil:
			return "", err
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: path, Err: syscall.ELOOP}
		}
		if strings.HasPrefix(to, "/") {
			done = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	if _, err := os.Lstat(r.open(done)); err != nil {
		return "", err
	}
	return done, nil
}

// resolveOurs follows the links of a path of our own view. Those of /proc/PID lead to what their text does not tell: to a file that has
// no name any more (exe, map_files), or into another root.
func resolveOurs(path string) (string, error) {
	parts := strings.SplitN(filepath.Clean(path), "/", 5) // "", "proc", PID, "exe", the rest
	if len(parts) < 4 || parts[1] != "proc" {
		return filepath.EvalSymlinks(path)
	}
	switch parts[3] {
	case "exe", "map_files":
		return path, nil
	case "root":
		if len(parts) == 5 {
			inner := root(strings.Join(parts[:4], "/"))
			resolved, err := inner.resolve("/" + parts[4])
			return inner.open(resolved), err
		}
	}
	return filepath.EvalSymlinks(path)
}

// object describes the file that a process calls path: display is how it is named in results.
func (r root) object(path, display string) (Object, error) {
	resolved, err := r.resolve(path)
	if err != nil {
		return Object{}, err
	}
	o := Object{Path: display, Open: r.open(resolved)}
	info, err := os.Stat(o.Open)
	if err != nil {
		return Object{}, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		o.Dev, o.Ino = stat.Dev, stat.Ino
	}
	return o, nil
}
