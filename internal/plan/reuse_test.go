package plan_test

import (
	"reflect"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// Whatever came before, an event that is made of the one before is the event that one to keep is.
func TestEventsThatAreReusedAreThoseToKeep(t *testing.T) {
	printf := func(text string, slots ...plantest.Captured) []byte {
		all := append([]plantest.Captured{number(5), data(plan.SlotText, text)}, slots...)
		for len(all) < 7 {
			all = append(all, plantest.Captured{Kind: plan.SlotBuf, Code: plan.SlotUnreadable})
		}
		return plantest.Record(plan.EmitPrintf, plantest.Header{PID: 3, TID: 4}, all)
	}
	call := func(h plantest.Header, slots ...plantest.Captured) []byte {
		h.Emission = 1
		return plantest.Record(plan.EmitCall, h, slots)
	}
	records := [][]byte{
		printf("text"), printf("other"), printf("", number(1)),
		plantest.Record(plan.EmitPrint, plantest.Header{Emission: 5}, []plantest.Captured{number(9)}),
		plantest.Record(plan.EmitPrint, plantest.Header{Emission: 5}, []plantest.Captured{number(0)}),
		call(plantest.Header{Outcome: event.Returned, Comm: "prog", TID: 1}, number(5), number(6), data(plan.SlotStack, string(plantest.Words(0x401010, 0)))),
		call(plantest.Header{Outcome: event.Unfinished, Comm: "prog", TID: 65}, number(7)),
		call(plantest.Header{Outcome: event.Returned, Comm: "gorp", TID: 1, Function: 1}, number(1), number(6)),
		call(plantest.Header{Outcome: event.TailCalled, Callee: 2}, number(5), number(6)),
	}
	keeps, reuses := plan.NewDecoder(runPlan(), clock, symbols{}), plan.NewDecoder(runPlan(), clock, symbols{})
	reuses.Reuse()
	for i, before := range records {
		for j, record := range records {
			want, err := keeps.Record(record)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = reuses.Record(before)
			if got, err := reuses.Record(record); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("record %d after %d: %v\ngot  %+v\nwant %+v", j, i, err, got, want)
			}
		}
	}
}
