package shm

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
)

// Nest says that the keys of a hash name things of which each lies inside of another, as calls do: a u64 says whose it is, a u64 where it is in a
// stack that grows down, and a u64 more tells apart what is at one place. Their offsets in the key, of 24 bytes.
//
// Then each thread keeps its latest entries for itself, in a front, and what does not fit goes into the hash:
//
//	+0   u64 owner: whose entries these are, 0 nobody's; claimed while the observer changes something
//	+8   u32 bytes of entries
//	+32  entries: key and value, the oldest first. Places descend, or stay.
//
// A key is in the front of its owner or in the hash, never in both but for the moment in which it is moved. One store adds an entry or takes the
// last one away, so whatever happens to the thread, each is there or not. One in the middle is taken away by making it no entry's (gone).
//
// Entries at places below that of a new one may be of calls that were left without returning, or of another stack that the thread will come
// back to. They are moved into the hash, where they do no harm. So are all when the front is full, and those of a thread that has
// ended when another comes to its slot. Owners with the highest bit set change threads: theirs go into the hash at once.
type Nest struct{ Owner, Place, What int }

// NestKey is the size of keys that nest.
const NestKey = 24

const (
	frontOwner   = 0
	frontTop     = 8
	frontEntries = 32

	claimed = math.MaxUint64
	gone    = math.MaxUint64

	nestKey = NestKey

	// frontThreads is how many slots have a front.
	frontThreads = 256
	// A front has room for so many entries, or fewer large ones.
	frontMost = 64
	frontRoom = 16 << 10
)

// placeFronts lays out the fronts behind the nodes.
func (m *Map) placeFronts(end int) (int, error) {
	if n := m.Nest; m.Key != nestKey || n.Owner%8 != 0 || n.Place%8 != 0 || n.What%8 != 0 || n.Owner+n.Place+n.What != 0+8+16 {
		return 0, fmt.Errorf("keys of %d bytes that nest", m.Key)
	}
	m.FrontStride = nestKey + align(m.Value, 8)
	m.FrontDepth = min(frontMost, frontRoom/m.FrontStride)
	if m.FrontDepth > m.Entries { // so few are meant to be all there are
		m.FrontDepth = 0
	}
	if m.FrontDepth == 0 {
		return end, nil
	}
	m.Fronts = align(end, pageSize)
	m.FrontSize = align(frontEntries+m.FrontDepth*m.FrontStride, 2*line)
	return m.Fronts + frontThreads*m.FrontSize, nil
}

// fronts gives the fronts that some slot has been given.
func (t *Table) fronts(fn func(at int) error) error {
	if t.FrontDepth == 0 {
		return nil
	}
	for i := range min(int(atomic.LoadUint32(t.word(headSlots))), frontThreads) {
		if err := fn(t.Fronts + i*t.FrontSize); err != nil {
			return err
		}
	}
	return nil
}

// top is where the entries of a front end.
func (t *Table) top(front int) int {
	n := int(atomic.LoadUint32(t.word(front + frontTop)))
	return front + frontEntries + min(n-n%t.FrontStride, t.FrontDepth*t.FrontStride)
}

// eachInFront calls fn for every entry of a front that is not in the hash too, with copies.
func (t *Table) eachInFront(front int, fn func(key, value []byte) error) error {
	entry := make([]byte, t.FrontStride)
	owner := atomic.LoadUint64(t.quad(front + frontOwner))
	for at := front + frontEntries; at < t.top(front); at += t.FrontStride {
		t.load(entry, at)
		key := entry[:nestKey]
		if at >= t.top(front) || atomic.LoadUint64(t.quad(front+frontOwner)) != owner {
			return nil // the thread goes on, or another
		}
		if binary.LittleEndian.Uint64(key[t.Nest.What:]) == gone || t.has(key) {
			continue
		}
		if err := fn(key, entry[nestKey:][:t.Value]); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a key is in the hash. It holds nothing: one that is being moved may be missed.
func (t *Table) has(key []byte) bool {
	hash := t.hash(key)
	n, _ := t.find(uint32(atomic.LoadUint64(t.quad(t.bucket(hash)))), hash, key)
	return n != 0
}

// deleteInFront removes a key from the front that it is in. Its owner must not run; who comes to the slot after it meanwhile does without a front.
func (t *Table) deleteInFront(key []byte) (found bool) {
	owner := binary.LittleEndian.Uint64(key[t.Nest.Owner:])
	t.fronts(func(front int) error {
		whose := t.quad(front + frontOwner)
		if found || owner == 0 || owner == claimed || !atomic.CompareAndSwapUint64(whose, owner, claimed) {
			return nil
		}
		for at := front + frontEntries; at < t.top(front) && !found; at += t.FrontStride {
			if found = string(t.mem[at:][:nestKey]) == string(key); found {
				atomic.StoreUint64(t.quad(at+t.Nest.What), gone)
			}
		}
		top := t.top(front)
		for top > front+frontEntries && atomic.LoadUint64(t.quad(top-t.FrontStride+t.Nest.What)) == gone {
			top -= t.FrontStride
		}
		atomic.StoreUint32(t.word(front+frontTop), uint32(top-front-frontEntries))
		atomic.StoreUint64(whose, owner)
		return nil
	})
	return found
}
