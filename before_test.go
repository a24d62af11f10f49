package sonde_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// Sites before a ret are the ret itself to all who look: the same calls, results, stack pointers and pairs, of every function of real libraries. What reads
// the program counter keeps the ret, so that both are seen in one run.
func TestAReturnThatIsSeenBeforeItsRetIsTheSameReturn(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "sqlite3", "xz")
	fixture.Libraries(t, true)
	const script = `uretprobe:%[1]s:* { @calls[func] = count(); @results[func] = sum(reg("ax")); @stack[func] = sum(sp); @paired[func] = sum(duration >= 0); }
		uretprobe:%[1]s:* { $here = pc; @calls_ret[func] = count(); @results_ret[func] = sum(reg("ax")); @stack_ret[func] = sum(sp); @paired_ret[func] = sum(duration >= 0); }`
	for _, test := range []struct {
		library  string
		command  string
		atLeast  int // functions that are called
		replaced int // sites
	}{
		{"libsqlite3", `sqlite3 :memory: "create table t(a, b); with recursive c(x) as (select 1 union all select x+1 from c where x<50) insert into t select x, 'abc'||x from c;
			create index i on t(b); select count(*), sum(a) from t where b > 'abc2' group by a%7 order by 1; delete from t where a%3=0; select group_concat(b) from t; select * from nowhere;"`, 300, 100},
		{"liblzma", "head -c 3000 /proc/self/exe | xz -T2 | xz -d", 20, 20},
	} {
		t.Run(test.library, func(t *testing.T) {
			target, err := sonde.Open(sonde.Command("sh", "-c", "("+test.command+") > /dev/null 2>&1"))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := target.Run(t.Context(), fmt.Sprintf(script, test.library), sonde.ReturnBy("sites"), sonde.WithEngine(sonde.EngineKernel))
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
			var plan strings.Builder
			if err := session.Explain(&plan); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(plan.String(), "\n    before ret "); n < test.replaced {
				t.Errorf("%d sites before a ret", n)
			}
			both := totals(t, session)
			for _, name := range []string{"calls", "results", "stack", "paired"} {
				before, at := both[name], both[name+"_ret"]
				if len(before) < test.atLeast || len(before) != len(at) {
					t.Errorf("%s: %d functions, %d at ret", name, len(before), len(at))
				}
				for fn, want := range at {
					if before[fn] != want {
						t.Errorf("%s of %s: %s, at ret %s", name, fn, before[fn], want)
					}
				}
			}
		})
	}
}

// totals gives what each map holds by function.
func totals(t *testing.T, s *sonde.Session) map[string]map[string]string {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, m := range snap.Maps {
		all[m.Name] = map[string]string{}
		for _, e := range m.Entries {
			all[m.Name][fmt.Sprint(e.Function, e.Key)] = fmt.Sprint(e.Agg)
		}
	}
	return all
}
