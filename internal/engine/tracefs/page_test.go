package tracefs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// words makes a page of its first time and 32-bit words.
func words(time uint64, list ...uint32) []byte {
	page := binary.LittleEndian.AppendUint64(nil, time)
	page = binary.LittleEndian.AppendUint64(page, uint64(4*len(list))|1<<31) // a flag says that events were missed
	for _, w := range list {
		page = binary.LittleEndian.AppendUint32(page, w)
	}
	return append(page, make([]byte, 64)...)
}

func head(kind, delta uint32) uint32 { return delta<<5 | kind }

func TestAPageGivesItsEventsWithTheirTimes(t *testing.T) {
	page := words(1000,
		head(2, 0), 11, 12, // two words
		head(30, 3), 1, // 1<<27 + 3 later
		head(0, 5), 12, 21, 22, // 12 bytes with their length
		head(29, 1), 8, 0, // a discarded event
		head(31, 7), 2, // a time of its own
		head(1, 1), 31)
	extended := uint64(1000 + 1<<27 + 3 + 5)
	want := []string{"1000 [11 0 0 0 12 0 0 0]", fmt.Sprintf("%d [21 0 0 0 22 0 0 0]", extended), fmt.Sprintf("%d [31 0 0 0]", 2<<27+7+1)}
	var got []string
	if err := eachEvent(page, func(time uint64, record []byte) { got = append(got, fmt.Sprint(time, " ", record)) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheRestOfAPageMayBeEmpty(t *testing.T) {
	n := 0
	if err := eachEvent(words(1, head(1, 0), 5, head(29, 0), 99, 99), func(uint64, []byte) { n++ }); err != nil || n != 1 {
		t.Errorf("%d events, %v", n, err)
	}
}

// No bytes lead outside of the page, and all end.
func FuzzPage(f *testing.F) {
	f.Add(words(1000, head(2, 0), 11, 12, head(0, 5), 1<<31, 0))
	f.Add(words(1, head(29, 1), 1<<31-1))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, page []byte) {
		_ = eachEvent(page, func(_ uint64, record []byte) {
			if len(record) > len(page) {
				t.Error("a record larger than its page")
			}
		})
	})
}
