package symbol

import (
	"bytes"
	"encoding/binary"
)

// USDT is one place in the code where a statically defined probe sits; a probe that was inlined or used twice has several.
type USDT struct {
	Provider  string
	Name      string
	Addr      Addr // of the nop to probe
	Semaphore Addr // of a u16 that must be raised for the probe's arguments to be computed; 0 none
	Args      []USDTArg
	Raw       string // the arguments as the note has them
}

const (
	stapsdtOwner = "stapsdt"
	stapsdtType  = 3 // version 3, the only one in use since 2010
	maxProbes    = 1 << 17
)

// Notes gives the object's USDT probes, in the file's order. Source: systemtap wiki, UserSpaceProbeImplementation.
func (f *File) Notes() []USDT {
	f.probesOnce.Do(func() { f.probes = f.readProbes() })
	return f.probes
}

func (f *File) readProbes() []USDT {
	s := f.image.section(".note.stapsdt")
	if s == nil {
		return nil
	}
	data, err := f.image.contents(s, maxSection)
	if err != nil {
		return nil
	}
	var base uint64
	if b := f.image.section(".stapsdt.base"); b != nil {
		base = b.Addr
	}
	var all []USDT
	for _, n := range splitNotes(data, 4) {
		if n.name != stapsdtOwner || n.kind != stapsdtType || len(all) == maxProbes {
			continue
		}
		if probe, ok := f.probe(n.desc, base); ok {
			all = append(all, probe)
		}
	}
	return all
}

// probe decodes {u64 pc, u64 base, u64 semaphore, provider NUL, name NUL, arguments NUL}. Prelink moves sections without editing
// notes, so addresses are corrected by what .stapsdt.base moved: addr + (section - base).
func (f *File) probe(desc []byte, base uint64) (USDT, bool) {
	if len(desc) < 24 {
		return USDT{}, false
	}
	words := [3]uint64{}
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(desc[8*i:])
	}
	texts := bytes.SplitN(desc[24:], []byte{0}, 4)
	if len(texts) < 3 {
		return USDT{}, false
	}
	var moved uint64
	if base != 0 && words[1] != 0 {
		moved = base - words[1]
	}
	probe := USDT{Provider: string(texts[0]), Name: string(texts[1]), Addr: Addr(words[0] + moved), Raw: string(texts[2])}
	if words[2] != 0 {
		probe.Semaphore = Addr(words[2] + moved)
	}
	probe.Args = f.probeArgs(probe.Raw)
	return probe, f.image.executable(uint64(probe.Addr))
}
