package symbol

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	start := time.Now()
	f, err := Open(os.Getenv("TRY"))
	if err != nil {
		t.Fatal(err)
	}
	fs := f.Functions()
	fmt.Println(len(fs), time.Since(start), f.Problems(), f.Language(), f.GoVersion(), f.BuildID(), f.Pie(), f.Static(), f.Stripped(), f.Needed(), f.Soname(), f.Interp())
	start = time.Now()
	f.each(func(i int) { f.spelling(i) })
	fmt.Println("spell", time.Since(start))
	if pat := os.Getenv("PAT"); pat != "" {
		f.names = newNames(len(fs))
		start = time.Now()
		r, err := f.Find(Pattern{Text: pat, Regexp: os.Getenv("RE") != ""})
		fmt.Println(len(r), err, time.Since(start))
		for i, fn := range r {
			if i < 20 {
				fmt.Println(fn.Addr, f.Display(fn), fn.Name, fn.Aliases)
			}
		}
		return
	}
	for i := range fs {
		if i%(len(fs)/20+1) == 0 {
			fmt.Printf("%v %d %s %v %s %s | %v\n", fs[i].Addr, fs[i].Size, fs[i].Name, fs[i].Aliases, fs[i].Version, fs[i].Source, f.spelling(i).forms)
		}
	}
}
