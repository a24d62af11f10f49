package symbol

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// DebugPackage says where the debug information of an object could come from.
type DebugPackage struct {
	BuildID string
	// Package owns the file, "" unknown; Debug is the package of its debug information, by the distribution's naming.
	Package string
	Debug   string
	// Servers are what DEBUGINFOD_URLS lists.
	Servers []string
}

// maxPackageList bounds one list of a package's files.
const maxPackageList = 32 << 20

// DebugPackage looks up who owns the file. It starts no program and asks no server.
func (f *File) DebugPackage() DebugPackage {
	p := DebugPackage{BuildID: f.BuildID(), Servers: strings.Fields(os.Getenv("DEBUGINFOD_URLS"))}
	root := processRoot.FindString(f.path)
	p.Package = f.owner(root + "/var/lib/dpkg/info")
	switch {
	case p.Package == "libc6":
		p.Debug = "libc6-dbg"
	case p.Package != "":
		p.Debug = p.Package + "-dbgsym"
	case p.BuildID != "" && exists(root+"/var/lib/rpm", root+"/usr/lib/sysimage/rpm"):
		p.Debug = "debuginfo(build-id) = " + p.BuildID
	}
	return p
}

func exists(paths ...string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// Hints says what to do, one line each, best first.
func (p DebugPackage) Hints() []string {
	var hints []string
	switch {
	case strings.HasPrefix(p.Debug, "debuginfo("):
		hints = append(hints, "debug information: dnf install '"+p.Debug+"'")
	case strings.HasSuffix(p.Debug, "-dbgsym"):
		hints = append(hints, "debug information: package "+p.Debug+" (Debian has it in its debug archive)")
	case p.Debug != "":
		hints = append(hints, "debug information: package "+p.Debug)
	}
	if p.BuildID != "" {
		fetch := "debuginfod-find debuginfo " + p.BuildID
		if len(p.Servers) == 0 {
			fetch = "DEBUGINFOD_URLS=https://debuginfod.elfutils.org " + fetch
		}
		if len(hints) > 0 {
			hints = append(hints, "or fetch it: "+fetch)
		} else {
			hints = append(hints, "debug information: "+fetch)
		}
	}
	return hints
}

// owner finds the package whose list (one path a line) has the file. Since /lib became a link to /usr/lib, a list may have either name.
func (f *File) owner(lists string) string {
	entries, err := os.ReadDir(lists)
	if err != nil {
		return ""
	}
	wanted := f.listedAs()
	for _, e := range entries {
		name, isList := strings.CutSuffix(e.Name(), ".list")
		if !isList {
			continue
		}
		if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > maxPackageList {
			continue
		}
		text, err := os.ReadFile(filepath.Join(lists, e.Name()))
		if err != nil {
			continue
		}
		for _, path := range wanted {
			if bytes.Contains(text, path) {
				name, _, _ = strings.Cut(name, ":")
				return name
			}
		}
	}
	return ""
}

// listedAs gives the lines to look for: the path as named and as resolved, each with and without /usr.
func (f *File) listedAs() [][]byte {
	paths := []string{f.path}
	if resolved, err := filepath.EvalSymlinks(f.path); err == nil && resolved != f.path {
		paths = append(paths, resolved)
	}
	var lines [][]byte
	for _, path := range paths {
		path = processRoot.ReplaceAllString(path, "")
		lines = append(lines, []byte("\n"+path+"\n"))
		if short, ok := strings.CutPrefix(path, "/usr"); ok {
			lines = append(lines, []byte("\n"+short+"\n"))
		} else {
			lines = append(lines, []byte("\n/usr"+path+"\n"))
		}
	}
	return lines
}
