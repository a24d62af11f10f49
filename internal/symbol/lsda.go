package symbol

// maxLandings bounds the landing pads of one function.
const maxLandings = 1 << 16

// Landings gives the places of a function at which the unwinder goes on: what its exception table calls landing pads. They are entered
// by no instruction. Source: Itanium C++ ABI, "Exception Handling", section 7:
//
//	u8 encoding of the pads' base, [base; none: the function], u8 encoding of types, [uleb their distance],
//	u8 encoding of the call sites, uleb their size, then each {start, length, pad (0 none), uleb action}
func (f *File) Landings(addr Addr) []Addr {
	frame, ok := f.frameAt(addr)
	s := f.image.section(".gcc_except_table")
	if !ok || frame.lsda == 0 || s == nil || frame.lsda < s.Addr {
		return nil
	}
	data, err := f.image.contents(s, maxEHFrame)
	if err != nil || frame.lsda-s.Addr >= uint64(len(data)) {
		return nil
	}
	c := cursor{data: data, at: frame.lsda - s.Addr, addr: s.Addr}
	base := frame.from
	if encoding := c.u8(); encoding != peOmit {
		base = c.pointer(encoding)
	}
	if c.u8() != peOmit {
		c.uleb()
	}
	encoding := c.u8()
	end := c.uleb()
	end += c.at
	var pads []Addr
	for c.err == nil && c.at < end && len(pads) < maxLandings {
		c.raw(encoding)
		c.raw(encoding)
		if pad := c.raw(encoding); pad != 0 && c.err == nil {
			pads = append(pads, Addr(base+pad))
		}
		c.uleb()
	}
	return pads
}
