package site

import (
	"testing"

	"github.com/sonde-project/sonde/event"
)

// What choosing costs when every function of a large program is probed.
func BenchmarkEntriesOfTheGoCommand(b *testing.B) {
	o := goCommand(b)
	for b.Loop() {
		for _, f := range o.functions {
			_, _ = ChooseEntry(f.code, event.LangGo)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(o.functions)), "ns/function")
}

func BenchmarkReturnsOfTheGoCommand(b *testing.B) {
	o := goCommand(b)
	for b.Loop() {
		for _, f := range o.functions {
			_, _ = ChooseReturns(f.code, event.LangGo, o.info(f))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(o.functions)), "ns/function")
}
