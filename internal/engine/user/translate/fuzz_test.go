package translate_test

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// Whatever the instructions are, they are translated or refused, and what the survey takes the translator takes but for maps and helpers.
func FuzzTranslate(f *testing.F) {
	f.Add([]byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x18, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x85, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0xb7, 0, 0, 0, 5, 0, 0, 0, 0x15, 0, 1, 0, 0, 0, 0, 0, 0x3f, 0x00, 1, 0, 0, 0, 0, 0, 0xdb, 0x0a, 0xf8, 0xff, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var ins asm.Instructions
		helpers := false
		for ; len(raw) >= 8; raw = raw[8:] {
			in := asm.Instruction{OpCode: asm.OpCode(raw[0]), Dst: asm.Register(raw[1] & 15), Src: asm.Register(raw[1] >> 4),
				Offset: int16(binary.LittleEndian.Uint16(raw[2:])), Constant: int64(int32(binary.LittleEndian.Uint32(raw[4:])))}
			helpers = helpers || in.OpCode == 0x85 || in.OpCode == 0x18
			ins = append(ins, in)
		}
		_, surveyed := translate.Survey(ins)
		code, err := translate.Translate(ins, &translate.Env{Base: 1 << 20})
		if (surveyed == nil) != (err == nil) && !helpers {
			t.Errorf("the survey says %v, the translator %v", surveyed, err)
		}
		if err == nil && len(code) == 0 {
			t.Error("no code")
		}
	})
}
