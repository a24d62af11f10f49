package object

import (
	"slices"

	"github.com/cilium/ebpf"
)

// Maps are copies of the object's maps as a loader makes them: with the sizes that authors leave to loaders, and with the values of variables. Maps
// of data hold one value, []byte.
func (o *Object) Maps() map[string]*ebpf.MapSpec {
	out := map[string]*ebpf.MapSpec{}
	for name, m := range o.Spec.Maps {
		m = m.Copy()
		Settle(m)
		out[name] = m
	}
	for _, v := range o.Spec.Variables {
		m := out[v.SectionName]
		if m == nil || len(v.Value) == 0 {
			continue
		}
		data := make([]byte, m.ValueSize)
		if len(m.Contents) == 1 {
			if was, ok := m.Contents[0].Value.([]byte); ok {
				data = slices.Clone(was)
			}
		}
		if int(v.Offset)+len(v.Value) <= len(data) {
			copy(data[v.Offset:], v.Value)
			m.Contents = []ebpf.MapKV{{Key: uint32(0), Value: data}}
		}
	}
	return out
}
