package user

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Survey is what is known of the files that processes map, before one is touched and for as long as a session lasts: what they import, and the windows that
// were planned in them, where they lie in the file. So a program that is executed a thousand times is read and planned once, and what was planned to
// say what can be patched is what is patched. Its methods may be called from several goroutines.
type Survey struct {
	lock    sync.Mutex
	files   map[string]*file // the objects of plans, by what opens them
	manners map[fileID]manner
}

// NewSurvey knows nothing yet. Close it, or open a session with it.
func NewSurvey() *Survey { return &Survey{files: map[string]*file{}, manners: map[fileID]manner{}} }

// Close gives the files back. The survey of a session is closed with it.
func (s *Survey) Close() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, f := range s.files {
		if !f.borrowed {
			f.File.Close()
		}
	}
	clear(s.files)
}

// file gives the file of an object of a plan, as it was when it was first asked for.
func (s *Survey) file(o *plan.Object) (*file, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if f := s.files[o.Open]; f != nil {
		return f, nil
	}
	opened, borrowed := o.File, o.File != nil
	if !borrowed {
		var err error
		if opened, err = symbol.Open(o.Open); err != nil {
			return nil, err
		}
	}
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	f := &file{File: opened, borrowed: borrowed, id: idOf(info), planned: map[asked]*planned{}, entered: map[start]bool{}, left: map[symbol.Addr]leaps{}}
	s.files[o.Open] = f
	return f, nil
}

// opened gives an object of a plan that is open already, nil if none is that file.
func (s *Survey) opened(id fileID) *file {
	for _, f := range s.files {
		if f.id == id {
			return f
		}
	}
	return nil
}

// fileID tells a file from others, and from what it was before it was written anew.
type fileID struct {
	dev, ino uint64
	size     int64
	changed  syscall.Timespec
}

func idOf(info os.FileInfo) fileID {
	st := info.Sys().(*syscall.Stat_t)
	return fileID{st.Dev, st.Ino, st.Size, st.Mtim}
}

// mostManners bounds how many files are remembered that are objects of no plan.
const mostManners = 1 << 14

// manner tells what a file does to the programs that it is part of; nothing of one that is no object of code that we know.
func (s *Survey) manner(path string) manner {
	info, err := os.Stat(path)
	if err != nil {
		return manner{}
	}
	id := idOf(info)
	s.lock.Lock()
	defer s.lock.Unlock()
	if m, known := s.manners[id]; known {
		return m
	}
	var m manner
	if f := s.opened(id); f != nil {
		m = mannerOf(f.File)
	} else if f, err := symbol.Open(path); err == nil {
		m = mannerOf(f)
		f.Close()
	}
	if len(s.manners) >= mostManners {
		clear(s.manners)
	}
	s.manners[id] = m
	return m
}

// file is an object of a plan, and what is known of its functions. Addresses are those of the file.
type file struct {
	*symbol.File
	borrowed bool // it is its owner's to close
	id       fileID
	lock     sync.Mutex // of what follows
	cold     map[string][]*symbol.Function
	// planned is by what was asked for, entered by the places that were looked at, left by function.
	planned map[asked]*planned
	entered map[start]bool
	left    map[symbol.Addr]leaps
	room    relocate.Room
	insts   []site.Inst // room for some
}

// asked is what windows are planned for.
type asked struct {
	fn    symbol.Addr
	sites string // offset and role of each
	// still: instructions that may fault must not be moved. aside: windows may lie behind the first instruction.
	still, aside bool
}

// windows plans those of a function.
func (f *file) windows(fn *symbol.Function, choices []site.Choice, still, aside bool) *planned {
	a := asked{fn: fn.Addr, still: still, aside: aside}
	var sites []byte
	for _, c := range choices {
		sites = append(binary.LittleEndian.AppendUint64(sites, c.Offset), byte(c.Role))
	}
	a.sites = string(sites)
	f.lock.Lock()
	defer f.lock.Unlock()
	if p := f.planned[a]; p != nil {
		return p
	}
	p := f.plan(fn, choices, still, aside)
	f.planned[a] = p
	return p
}

// coldParts are the parts of a function that the compiler has moved away.
func (f *file) coldParts(fn *symbol.Function) []site.Part {
	if f.cold == nil {
		f.cold = map[string][]*symbol.Function{}
		all := f.Functions()
		for i := range all {
			for _, name := range slices.Concat([]string{all[i].Name}, all[i].Aliases) {
				if of, _, ok := strings.Cut(name, ".cold"); ok {
					f.cold[of] = append(f.cold[of], &all[i])
				}
			}
		}
	}
	var out []site.Part
	for _, name := range slices.Concat([]string{fn.Name}, fn.Aliases) {
		for _, c := range f.cold[name] {
			if code, err := f.Code(c); err == nil {
				out = append(out, site.Part{Start: int64(c.Addr) - int64(fn.Addr), Code: code})
			}
		}
	}
	return out
}

// landings are the places of a function at which the unwinder goes on, from its start.
func (f *file) landings(fn *symbol.Function) []int64 {
	var out []int64
	for _, at := range f.Landings(fn.Addr) {
		out = append(out, int64(at)-int64(fn.Addr))
	}
	return out
}

// after gives the padding behind a function.
func (f *file) after(fn *symbol.Function, size int) []byte {
	end := fn.Addr + symbol.Addr(size)
	out := make([]byte, f.Free(end, 16))
	for len(out) > 0 && f.ReadAt(end, out) != nil {
		out = out[:len(out)-1] // the file ends before
	}
	return out
}
