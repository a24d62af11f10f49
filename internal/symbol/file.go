package symbol

import (
	"debug/elf"
	"os"
	"sync"
	"syscall"
)

// File is one object file, open. Its tables are read when they are first asked for; all methods but Close may be
// called from several goroutines.
type File struct {
	path  string
	file  *os.File
	image *image

	functionsOnce sync.Once
	functions     []Function
	reach         []Addr // how far any function reaches up to the one of the same number
	problems      []error

	names *names

	spansOnce sync.Once
	spans     []span

	debugOnce     sync.Once
	debug         *Debug
	alternateOnce sync.Once
	alternate     *Debug

	pclntabOnce sync.Once
	pcln        *pclntab
	pclnProblem error

	relocationsOnce sync.Once
	relocated       map[uint64]uint64

	restartsOnce sync.Once
	restarts     []Restartable

	framesOnce sync.Once
	frameList  []frame

	unwindsOnce sync.Once
	unwinds     bool

	probesOnce sync.Once
	probes     []USDT

	objectsOnce sync.Once
	objects     map[string]Addr
	tableSizes  map[string]uint64 // sizes of C++'s tables of virtual functions

	classesOnce sync.Once
	classes     map[Addr]string // symbols of virtual tables, by where objects point into them

	cppOnce sync.Once
	cpp     *cppClasses

	dynamicOnce sync.Once
	dynamic     *dynamic

	dwarf dwarfState
}

// Open reads the headers of an object file. What a person can get wrong (a script, a directory, another machine's
// program) is a *script.Diagnostic. The caller closes the File.
func Open(path string) (*File, error) {
	// A FIFO without a writer would block a plain open.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, diagnoseOpen(path, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = checkFile(path, file, info)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	image, err := newImage(file, info.Size(), path)
	if err != nil {
		file.Close()
		return nil, damaged(path, err)
	}
	return &File{path: path, file: file, image: image}, nil
}

// Close releases the file and its debug file.
func (f *File) Close() error {
	f.closeDebug()
	return f.file.Close()
}

// Stat tells which file it is, whatever is at its path now.
func (f *File) Stat() (os.FileInfo, error) { return f.file.Stat() }

// Path is what Open was given.
func (f *File) Path() string { return f.path }

// ELF gives headers and sections of the object itself. Section sizes in it are claims: read contents through
// Contents, which checks them.
func (f *File) ELF() *elf.File { return f.image.File }
