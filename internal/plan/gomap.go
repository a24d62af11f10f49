package plan

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

const (
	mapGroup = 8    // entries of a group: internal/abi/map.go, MapGroupSlots
	mapLarge = 128  // bytes of a key or value beyond which the group has a pointer to it
	MapEmpty = 0x80 // in the control byte of an entry that is not there
)

// MapGroup is how the entries of a small Go map lie: eight control bytes, then eight structs of a key and a value. nil when they
// do not lie there, or it is not known what they are. Source: internal/runtime/maps/group.go.
func MapGroup(u *ctype.Type) *ctype.Type {
	key, elem := u.Key.Underlying(), u.Elem.Underlying()
	if key == nil || elem == nil || key.Sizeof() < 0 || elem.Sizeof() < 0 || key.Sizeof() > mapLarge || elem.Sizeof() > mapLarge {
		return nil
	}
	at := roundUp(key.Sizeof(), elem.Alignof())
	align := max(key.Alignof(), elem.Alignof())
	entry := &ctype.Type{Kind: ctype.Struct, Lang: event.LangGo, Align: align, Fields: []ctype.Field{
		{Name: "key", Type: u.Key}, {Name: "elem", Type: u.Elem, Offset: at},
	}}
	entry.Size = roundUp(at+elem.Sizeof(), align)
	if elem.Sizeof() == 0 && key.Sizeof() > 0 {
		entry.Size = roundUp(at+1, align) // a pointer to what has no bytes must not leave the struct
	}
	control := &ctype.Type{Kind: ctype.Uint, Size: mapGroup}
	group := &ctype.Type{Kind: ctype.Struct, Lang: event.LangGo, Fields: []ctype.Field{{Name: "ctrl", Type: control}}}
	for i := range int64(mapGroup) {
		group.Fields = append(group.Fields, ctype.Field{Type: entry, Offset: mapGroup + i*entry.Size})
	}
	group.Size = mapGroup + mapGroup*entry.Size
	return group
}

func roundUp(n, align int64) int64 {
	if align <= 1 {
		return n
	}
	return (n + align - 1) / align * align
}

// entries adds what is in the group of a small map to a map of which the length is known.
func (r *record) entries(v *event.Value, n *Node) {
	if len(n.Type.Fields) != 1+mapGroup || r.skipped(n) {
		return
	}
	b := r.block(n, 0)
	for i := range int64(mapGroup) {
		control, problem := b.word(i, 1)
		entry := &n.Type.Fields[1+i]
		if _, gone := b.at(entry.Offset, entry.Type.Size); problem != "" || gone != "" {
			break
		}
		if control&MapEmpty != 0 {
			continue
		}
		key := r.value(entry.Type.Fields[0].Type, b, entry.Offset, 1)
		elem := r.value(entry.Type.Fields[1].Type, b, entry.Offset+entry.Type.Fields[1].Offset, 1)
		v.Fields = append(v.Fields, event.Field{Key: &key, Value: elem})
	}
	v.Truncated = v.Len > uint64(len(v.Fields))
}
