package target

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/symbol"
)

// Mapping is one line of /proc/PID/maps.
type Mapping struct {
	Start, End uint64
	Offset     uint64 // in the file
	Perms      string // "r-xp"
	Dev        uint64
	Ino        uint64
	// Path is as the kernel gives it: a file, "/memfd:name", "[stack]", "" for anonymous memory. Deleted tells of a
	// file that has this name no more.
	Path    string
	Deleted bool
}

// Exec reports whether code can run there.
func (m Mapping) Exec() bool { return len(m.Perms) > 2 && m.Perms[2] == 'x' }

// File reports whether the mapping shows a file.
func (m Mapping) File() bool { return m.Ino != 0 && strings.HasPrefix(m.Path, "/") }

// Contains reports whether an address lies in the mapping.
func (m Mapping) Contains(pc symbol.PC) bool { return uint64(pc) >= m.Start && uint64(pc) < m.End }

// Symbol is the mapping as symbol.File.Bias wants it.
func (m Mapping) Symbol() symbol.Mapping {
	return symbol.Mapping{Start: symbol.PC(m.Start), Offset: symbol.Offset(m.Offset), Exec: m.Exec()}
}

// parseMaps reads the text of /proc/PID/maps; lines that are none of it are left out (a process that goes away cuts the
// text anywhere).
func parseMaps(text string) []Mapping {
	var all []Mapping
	for line := range strings.Lines(text) {
		if m, err := parseMapping(strings.TrimSuffix(line, "\n")); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// parseMapping reads "55e0-55e1 r-xp 00001000 fd:01 1234     /path with blanks (deleted)" (fs/proc/task_mmu.c,
// show_map_vma): five fields, then blanks, then the path to the end of the line.
func parseMapping(line string) (Mapping, error) {
	var fields [5]string
	rest := line
	for i := range fields {
		var ok bool
		fields[i], rest, ok = strings.Cut(rest, " ")
		if fields[i] == "" || !ok && i < len(fields)-1 {
			return Mapping{}, fmt.Errorf("mapping %q: too few fields", line)
		}
	}
	m := Mapping{Perms: fields[1]}
	from, to, ok := strings.Cut(fields[0], "-")
	major, minor, colon := strings.Cut(fields[3], ":")
	if !ok || !colon || len(m.Perms) != 4 {
		return Mapping{}, fmt.Errorf("mapping %q: not address, permissions, offset, device", line)
	}
	var devMajor, devMinor uint64
	for _, n := range []struct {
		text string
		base int
		to   *uint64
	}{{from, 16, &m.Start}, {to, 16, &m.End}, {fields[2], 16, &m.Offset}, {major, 16, &devMajor}, {minor, 16, &devMinor}, {fields[4], 10, &m.Ino}} {
		v, err := strconv.ParseUint(n.text, n.base, 64)
		if err != nil {
			return Mapping{}, fmt.Errorf("mapping %q: %w", line, err)
		}
		*n.to = v
	}
	if m.End <= m.Start || devMajor > 1<<32-1 || devMinor > 1<<32-1 {
		return Mapping{}, fmt.Errorf("mapping %q: not a range of addresses", line)
	}
	m.Dev = unix.Mkdev(uint32(devMajor), uint32(devMinor))
	m.Path = strings.ReplaceAll(strings.TrimLeft(rest, " "), `\012`, "\n")
	if m.Ino != 0 {
		m.Path, m.Deleted = strings.CutSuffix(m.Path, " (deleted)")
	}
	return m, nil
}
