package symbol

import "debug/dwarf"

// form is how an attribute is encoded. Source: DWARF 5, section 7.5.6; the last ones are GNU's.
type form uint32

const (
	formAddr          form = 0x01
	formBlock2        form = 0x03
	formBlock4        form = 0x04
	formData2         form = 0x05
	formData4         form = 0x06
	formData8         form = 0x07
	formString        form = 0x08
	formBlock         form = 0x09
	formBlock1        form = 0x0a
	formData1         form = 0x0b
	formFlag          form = 0x0c
	formSdata         form = 0x0d
	formStrp          form = 0x0e
	formUdata         form = 0x0f
	formRefAddr       form = 0x10
	formRef1          form = 0x11
	formRef2          form = 0x12
	formRef4          form = 0x13
	formRef8          form = 0x14
	formRefUdata      form = 0x15
	formIndirect      form = 0x16
	formSecOffset     form = 0x17
	formExprloc       form = 0x18
	formFlagPresent   form = 0x19
	formStrx          form = 0x1a
	formAddrx         form = 0x1b
	formRefSup4       form = 0x1c
	formStrpSup       form = 0x1d
	formData16        form = 0x1e
	formLineStrp      form = 0x1f
	formRefSig8       form = 0x20
	formImplicitConst form = 0x21
	formLoclistx      form = 0x22
	formRnglistx      form = 0x23
	formRefSup8       form = 0x24
	formStrx1         form = 0x25
	formStrx2         form = 0x26
	formStrx3         form = 0x27
	formStrx4         form = 0x28
	formAddrx1        form = 0x29
	formAddrx2        form = 0x2a
	formAddrx3        form = 0x2b
	formAddrx4        form = 0x2c
	formGNUAddrIndex  form = 0x1f01
	formGNUStrIndex   form = 0x1f02
	formGNURefAlt     form = 0x1f20
	formGNUStrpAlt    form = 0x1f21
)

// value is an attribute as it stands in the file: numbers in n, blocks and inline strings in data.
type value struct {
	form form
	n    uint64
	data []byte
}

// fixedForms are those whose size depends on nothing.
var fixedForms = [...]int8{
	formData1: 1, formFlag: 1, formRef1: 1, formStrx1: 1, formAddrx1: 1, formData2: 2, formRef2: 2, formStrx2: 2, formAddrx2: 2,
	formStrx3: 3, formAddrx3: 3, formData4: 4, formRef4: 4, formStrx4: 4, formAddrx4: 4, formRefSup4: 4, formData8: 8, formRef8: 8,
	formRefSig8: 8, formRefSup8: 8,
}

// read decodes one attribute's value.
func (u *unit) read(c *dwarfCursor, s *spec) value {
	f := s.form
	if f == formIndirect {
		if f = form(c.uleb()); f == formIndirect || f == formImplicitConst {
			c.bad = true
		}
	}
	if int(f) < len(fixedForms) && fixedForms[f] > 0 {
		return value{form: f, n: c.fixed(int(fixedForms[f]))}
	}
	v := value{form: f}
	switch f {
	case formAddr:
		v.n = c.fixed(u.addressSize)
	case formString:
		v.data = c.text()
	case formBlock1:
		v.data = c.bytes(int(c.u8()))
	case formBlock2:
		v.data = c.bytes(int(c.u16()))
	case formBlock4:
		v.data = c.bytes(int(c.u32()))
	case formBlock, formExprloc:
		v.data = c.block()
	case formData16:
		v.data = c.bytes(16)
	case formSdata:
		v.n = uint64(c.sleb())
	case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
		v.n = c.uleb()
	case formStrp, formSecOffset, formLineStrp, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		v.n = c.fixed(u.offsetSize)
	case formRefAddr:
		v.n = c.fixed(u.refAddrSize())
	case formFlagPresent:
		v.n = 1
	case formImplicitConst:
		v.n = uint64(s.implicit)
	default:
		c.bad = true
	}
	return v
}

func (c *dwarfCursor) block() []byte {
	n := c.uleb()
	if n > uint64(len(c.data)) {
		c.bad = true
		c.at = len(c.data)
		return nil
	}
	return c.bytes(int(n))
}

// pass is read for those who do not want the value.
func (u *unit) pass(c *dwarfCursor, s *spec) {
	f := s.form
	if int(f) < len(fixedForms) && fixedForms[f] > 0 {
		c.skip(uint64(fixedForms[f]))
		return
	}
	switch f {
	case formFlagPresent, formImplicitConst:
	case formStrp, formSecOffset, formLineStrp:
		c.skip(uint64(u.offsetSize))
	case formAddr:
		c.skip(uint64(u.addressSize))
	case formUdata, formSdata, formStrx, formAddrx, formLoclistx, formRnglistx, formRefUdata, formGNUAddrIndex, formGNUStrIndex:
		for c.u8() >= 0x80 {
		}
	case formExprloc, formBlock:
		c.skip(c.uleb())
	default:
		u.read(c, s)
	}
}

// refAddrSize: DWARF 2 gave references between units the size of an address.
func (u *unit) refAddrSize() int {
	if u.version == 2 {
		return u.addressSize
	}
	return u.offsetSize
}

// text resolves a string.
func (u *unit) text(v value) []byte {
	switch v.form {
	case formString:
		return v.data
	case formStrp:
		return textAt(u.info.str(), v.n)
	case formLineStrp:
		return textAt(u.info.lineStr(), v.n)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		return textAt(u.info.str(), u.indexed(u.info.strOffsets(), u.bases().str, v.n, u.offsetSize))
	case formStrpSup, formGNUStrpAlt:
		if alt := u.info.alternate(); alt != nil {
			return textAt(alt.str(), v.n)
		}
	}
	return nil
}

// address resolves an address; ok is false when the value is none.
func (u *unit) address(v value) (addr uint64, ok bool) {
	switch v.form {
	case formAddr:
		return v.n, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return u.addressAt(v.n)
	}
	return 0, false
}

func (u *unit) addressAt(index uint64) (uint64, bool) {
	table := u.info.addr()
	base := u.bases().addr
	if base > uint64(len(table)) || index >= (uint64(len(table))-base)/8 {
		return 0, false
	}
	return u.indexed(table, base, index, 8), true
}

// indexed reads entry index of a table of fixed-size entries that begins at base; all ones when it is outside.
func (u *unit) indexed(table []byte, base, index uint64, size int) uint64 {
	if base > uint64(len(table)) || index >= (uint64(len(table))-base)/uint64(size) {
		return ^uint64(0)
	}
	c := dwarfCursor{data: table, at: int(base + index*uint64(size))}
	return c.fixed(size)
}

// number gives a constant. Data forms have no sign of their own: constants that are signed are sdata, but compilers
// also write small negative ones as data of their type's size, which the caller knows.
func (v value) number() (n int64, ok bool) {
	switch v.form {
	case formData1, formData2, formData4, formData8, formUdata, formSdata, formImplicitConst:
		return int64(v.n), true
	}
	return 0, false
}

// isBlock tells an expression or other bytes from a number or an offset into a section of lists.
func (v value) isBlock() bool {
	switch v.form {
	case formExprloc, formBlock, formBlock1, formBlock2, formBlock4:
		return true
	}
	return false
}

func (v value) flag() bool { return (v.form == formFlag || v.form == formFlagPresent) && v.n != 0 }

// ref names an entry: of which file, and where.
type ref struct {
	info *debugInfo
	at   uint64
}

// target resolves a reference; ok is false when it leads nowhere that we know.
func (u *unit) target(v value) (r ref, ok bool) {
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
		return ref{u.info, u.start + v.n}, v.n < u.end-u.start
	case formRefAddr:
		return ref{u.info, v.n}, true
	case formGNURefAlt, formRefSup4, formRefSup8:
		alt := u.info.alternate()
		return ref{alt, v.n}, alt != nil
	case formRefSig8:
		return u.info.typeUnit(v.n)
	}
	return ref{}, false
}

// Attributes that debug/dwarf does not name. Source: DWARF 5, section 7.5.4, and cmd/internal/dwarf for Go's.
const (
	attrGoKind        dwarf.Attr = 0x2900
	attrGoKey         dwarf.Attr = 0x2901
	attrGoElem        dwarf.Attr = 0x2902
	attrGoEmbedded    dwarf.Attr = 0x2903
	attrGoRuntimeType dwarf.Attr = 0x2904
	attrGNUVector     dwarf.Attr = 0x2107
	attrGNUDwoName    dwarf.Attr = 0x2130
	attrGNUDwoID      dwarf.Attr = 0x2131
	attrGNURangesBase dwarf.Attr = 0x2132
	attrGNUAddrBase   dwarf.Attr = 0x2133
	attrGNUPack       dwarf.Tag  = 0x4107
)
