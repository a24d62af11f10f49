package inject

import "golang.org/x/sys/unix"

// ahead reads memory in order of address, much of it at a time.
type ahead struct {
	read  func(addr uint64, buf []byte) (int, error)
	at    uint64
	bytes []byte // of there
	room  [64 << 10]byte
}

// get gives the bytes at an address, until it is called again.
func (a *ahead) get(addr uint64, n int) ([]byte, error) {
	if addr < a.at || addr+uint64(n) > a.at+uint64(len(a.bytes)) {
		got, err := a.read(addr, a.room[:])
		a.at, a.bytes = addr, a.room[:max(0, got)]
		switch {
		case got >= n:
		case err != nil:
			return nil, err
		default:
			return nil, unix.EFAULT
		}
	}
	from := addr - a.at
	return a.bytes[from : from+uint64(n)], nil
}
