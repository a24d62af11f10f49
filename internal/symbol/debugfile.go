package symbol

import (
	"os"
)

// Debug is the ELF file that holds an object's .debug_info: the object itself or its separate debug file.
type Debug struct {
	*image
	file *os.File // nil when it is the object itself
}

// Path is the file's path; it equals File.Path when the object carries its own debug information.
func (d *Debug) Path() string { return d.path }

// Separate reports whether the debug information is in another file than the object.
func (d *Debug) Separate() bool { return d.file != nil }

// Contents gives a section's bytes, uncompressed and checked against the limits; nil and no error when the file
// has no such section.
func (d *Debug) Contents(name string) ([]byte, error) {
	s := d.section(name)
	if s == nil {
		return nil, nil
	}
	return d.contents(s, maxSection)
}

// Debug gives the file with the object's .debug_info, nil when there is none on this machine.
func (f *File) Debug() *Debug {
	f.debugOnce.Do(func() {
		if f.image.section(".debug_info") != nil {
			f.debug = &Debug{image: f.image}
		}
	})
	return f.debug
}

// openedDebug gives the debug file if it was opened, and keeps it from being opened later.
func (f *File) openedDebug() *Debug {
	f.debugOnce.Do(func() {})
	return f.debug
}
