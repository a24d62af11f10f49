package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"
)

// A hash map is buckets with chains of nodes. Who inserts or removes holds the bucket of the key; who looks up holds nothing.
//
//	head    +0         u32  nodes that were ever in use: those behind have never been touched
//	        +64*(1+i)  u64  free nodes, list i: count of changes << 32 | number of the first; a thread takes its own list first
//	bucket  u64  holder << 32 | first node
//	node    +0   u32 hash of the key
//	        +4   u32 changes << 2 | state
//	        +8   u32 next node of the chain
//	        +12  u32 next free node
//	        +16  key, value
//
// Nodes are numbered from 1. The end of a chain is endMark | its bucket, so that who was led into another chain, by a node that
// was removed and used again meanwhile, notices. One store puts a chain's first node and gives the bucket back.
//
// The holder is the number of a thread. Nobody waits for it for long, and a holder that died is found by Recover. What it was doing shows
// at no time: a node is in its chain or it is not.
const (
	nodeHash  = 0
	nodeState = 4
	nodeNext  = 8
	nodeFree  = 12
	nodeKey   = 16

	stateFree    = 0
	stateFilling = 1
	stateLive    = 2
	stateMask    = 3

	endMark   = 1 << 31
	freeLists = 8
	freeFirst = 64

	// observer is the holder outside of the process.
	observer = 1<<32 - 1
)

// hash is the number of a key that the machine code computes too.
func (m *Map) hash(key []byte) uint32 {
	h := uint64(hashSeed)
	mix := func(v uint64) {
		h = (h ^ v) * goldenRatio
		h ^= h >> 32
	}
	for len(key) >= 8 {
		mix(binary.LittleEndian.Uint64(key))
		key = key[8:]
	}
	if len(key) >= 4 {
		mix(uint64(binary.LittleEndian.Uint32(key)))
		key = key[4:]
	}
	for _, b := range key {
		mix(uint64(b))
	}
	return uint32(h)
}

const hashSeed = 0x243f6a8885a308d3

// Table is a map as seen from outside of the process: the memory and where the map is in it. Several may be used at a time, in
// several processes; the methods of one must not be called at a time.
type Table struct {
	mem []byte
	*Map
}

// Table gives access to a map in the memory, which must have the layout's size.
func (l *Layout) Table(mem []byte, name string) (*Table, error) {
	m := l.Map(name)
	if m == nil || len(mem) < l.Size {
		return nil, fmt.Errorf("shared memory: no map %s in %d bytes", name, len(mem))
	}
	return &Table{mem, m}, nil
}

func (t *Table) word(off int) *uint32 { return (*uint32)(unsafe.Pointer(&t.mem[off])) }
func (t *Table) quad(off int) *uint64 { return (*uint64)(unsafe.Pointer(&t.mem[off])) }

// node is where a node lies.
func (t *Table) node(n uint32) int { return t.Data + (int(n)-1)*t.Stride }

// exists reports whether there is a node of a number: the process may have written anything over the memory.
func (t *Table) exists(n uint32) bool { return n != 0 && int(n) <= t.Entries }

// touched is how many nodes were ever in use.
func (t *Table) touched() uint32 { return min(atomic.LoadUint32(t.word(t.Off)), uint32(t.Entries)) }

func (t *Table) bucket(hash uint32) int { return t.Heads + 8*int(hash&uint32(t.Buckets-1)) }

var errHeld = errors.New("the bucket is held by a thread that does not run")

// hold takes a bucket and gives its first node.
func (t *Table) hold(bucket int) (uint32, error) {
	for try := range 1000 {
		first := atomic.LoadUint64(t.quad(bucket))
		if first>>32 == 0 && atomic.CompareAndSwapUint64(t.quad(bucket), first, first|observer<<32) {
			return uint32(first), nil
		}
		if try > 100 {
			time.Sleep(20 * time.Microsecond)
		}
	}
	return 0, errHeld
}

func (t *Table) release(bucket int, first uint32) { atomic.StoreUint64(t.quad(bucket), uint64(first)) }

// find goes through a chain that is held. It has at most all nodes; one that has more was damaged.
func (t *Table) find(first uint32, hash uint32, key []byte) (node, before uint32) {
	n := first
	for range t.Entries {
		if !t.exists(n) {
			return 0, 0
		}
		at := t.node(n)
		if atomic.LoadUint32(t.word(at+nodeHash)) == hash && string(t.mem[at+nodeKey:][:t.Key]) == string(key) {
			return n, before
		}
		before, n = n, atomic.LoadUint32(t.word(at+nodeNext))
	}
	return 0, 0
}

// Put stores a value under a key of a hash, or in an array for all CPUs.
func (t *Table) Put(key, value []byte) error {
	if len(key) != t.Key || len(value) != t.Value {
		return fmt.Errorf("map %s: a key of %d and a value of %d bytes", t.Name, len(key), len(value))
	}
	if t.Kind != Hash {
		return t.putArray(key, value)
	}
	hash := t.hash(key)
	bucket := t.bucket(hash)
	first, err := t.hold(bucket)
	if err != nil {
		return fmt.Errorf("map %s: %w", t.Name, err)
	}
	if n, _ := t.find(first, hash, key); n != 0 {
		copy(t.mem[t.node(n)+t.ValueOff:], value)
		t.release(bucket, first)
		return nil
	}
	n := t.take()
	if n == 0 {
		t.release(bucket, first)
		return fmt.Errorf("map %s: %d entries are all it holds", t.Name, t.Entries)
	}
	at := t.node(n)
	state := (atomic.LoadUint32(t.word(at+nodeState)) + 4) &^ stateMask
	atomic.StoreUint32(t.word(at+nodeState), state|stateFilling)
	atomic.StoreUint32(t.word(at+nodeHash), hash)
	copy(t.mem[at+nodeKey:], key)
	copy(t.mem[at+t.ValueOff:], value)
	if first == 0 {
		first = endMark | uint32(bucket-t.Heads)/8
	}
	atomic.StoreUint32(t.word(at+nodeNext), first)
	atomic.StoreUint32(t.word(at+nodeState), state|stateLive)
	t.release(bucket, n)
	return nil
}

// take gives a node that is in no chain, 0 if there is none.
func (t *Table) take() uint32 {
	for i := range freeLists {
		if n := t.takeFrom(t.Off + freeFirst + line*i); n != 0 {
			return n
		}
	}
	for {
		n := atomic.LoadUint32(t.word(t.Off))
		if int(n) >= t.Entries {
			return 0
		}
		if atomic.CompareAndSwapUint32(t.word(t.Off), n, n+1) {
			return n + 1
		}
	}
}

func (t *Table) takeFrom(list int) uint32 {
	for {
		head := atomic.LoadUint64(t.quad(list))
		n := uint32(head)
		if !t.exists(n) {
			return 0
		}
		next := atomic.LoadUint32(t.word(t.node(n) + nodeFree))
		if atomic.CompareAndSwapUint64(t.quad(list), head, (head>>32+1)<<32|uint64(next)) {
			return n
		}
	}
}

// give puts a node among the free ones.
func (t *Table) give(n uint32) {
	list := t.Off + freeFirst + line*int(n%freeLists)
	for {
		head := atomic.LoadUint64(t.quad(list))
		atomic.StoreUint32(t.word(t.node(n)+nodeFree), uint32(head))
		if atomic.CompareAndSwapUint64(t.quad(list), head, (head>>32+1)<<32|uint64(n)) {
			return
		}
	}
}

// Delete removes a key, and reports whether it was there. Of keys that nest, the owner must not run.
func (t *Table) Delete(key []byte) (bool, error) {
	if t.Kind != Hash || len(key) != t.Key {
		return false, fmt.Errorf("map %s: nothing can be removed under a key of %d bytes", t.Name, len(key))
	}
	there, err := t.deleteInHash(key)
	if err != nil || there || t.FrontDepth == 0 {
		return there, err
	}
	if t.deleteInFront(key) {
		return true, nil
	}
	return t.deleteInHash(key) // where it may have been moved
}

func (t *Table) deleteInHash(key []byte) (bool, error) {
	hash := t.hash(key)
	bucket := t.bucket(hash)
	first, err := t.hold(bucket)
	if err != nil {
		return false, fmt.Errorf("map %s: %w", t.Name, err)
	}
	n, before := t.find(first, hash, key)
	if n == 0 {
		t.release(bucket, first)
		return false, nil
	}
	at := t.node(n)
	next := atomic.LoadUint32(t.word(at + nodeNext))
	if before == 0 {
		first = next
	} else {
		atomic.StoreUint32(t.word(t.node(before)+nodeNext), next)
	}
	state := t.word(at + nodeState)
	atomic.StoreUint32(state, atomic.LoadUint32(state)&^stateMask)
	t.release(bucket, first)
	t.give(n)
	return true, nil
}

// eachNode calls fn for every entry of a hash, with copies. Entries that come or go meanwhile may be among them.
func (t *Table) eachNode(fn func(key, value []byte) error) error {
	key, value := make([]byte, t.Key), make([]byte, t.Value)
	for n := uint32(1); n <= t.touched(); n++ {
		at := t.node(n)
		state := atomic.LoadUint32(t.word(at + nodeState))
		if state&stateMask != stateLive {
			continue
		}
		copy(key, t.mem[at+nodeKey:])
		copy(value, t.mem[at+t.ValueOff:])
		if atomic.LoadUint32(t.word(at+nodeState)) != state {
			continue
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// Recover gives back the buckets whose holder died, and says how many there were. alive tells whether a thread of that number
// is there.
func (t *Table) Recover(alive func(tid int) bool) int {
	found := 0
	if t.Kind != Hash {
		return 0
	}
	for b := range t.Buckets {
		at := t.Heads + 8*b
		first := atomic.LoadUint64(t.quad(at))
		if holder := first >> 32; holder == 0 || holder != observer && alive(int(holder)) {
			continue
		}
		if atomic.CompareAndSwapUint64(t.quad(at), first, uint64(uint32(first))) {
			found++
		}
	}
	return found
}
