// Package house holds the rules of the code base as data; its tests hold the code to them.
//
// In: the module's source files, parsed. Out: a failing test per broken rule. Invariant: a rule is a line of a table, so
// that changing one is a decision that a reader can see. It must not be imported.
package house

import "strings"

// side is the half of the flow that a package belongs to: what to observe, or what was observed.
type side uint8

const (
	shared side = iota // either half may import it
	left               // from the script to the engine
	right              // from events to bytes
	wiring             // joins both halves; nothing imports it but wiring
)

// room is a package of the module: the half it belongs to and what of ours its code may import. Tests of a package may
// import more, but never the other half.
type room struct {
	side    side
	imports string // space separated, relative to the module; "" nothing
}

// rooms is the table. "." is the module root.
var rooms = map[string]room{
	"event":              {shared, ""},
	"script":             {shared, ""},
	"internal/ctype":     {left, "event"},
	"internal/prototype": {left, "event script internal/ctype"},
	"internal/itanium":   {left, "event internal/ctype"},
	"internal/symbol":    {left, "event script internal/ctype internal/itanium"},
	"internal/site":      {left, "event script internal/symbol internal/ctype"},
	"internal/target":    {left, "event script internal/symbol"},
	"internal/plan":      {left, "event internal/ctype internal/site internal/symbol"},
	"internal/capture":   {left, "event script internal/ctype internal/plan internal/symbol"},
	"internal/resolve": {left, "event script internal/capture internal/ctype internal/itanium internal/plan internal/prototype internal/site " +
		"internal/symbol internal/target"},
	"internal/codegen": {left, "event script internal/ctype internal/plan internal/site internal/symbol"},

	"internal/object": {left, "event script internal/ctype internal/symbol"},

	"internal/engine":        {left, "event script internal/codegen internal/object internal/plan internal/site"},
	"internal/engine/mixed":  {left, "event internal/engine internal/plan"},
	"internal/engine/kernel": {left, "event script internal/codegen internal/engine internal/engine/lease internal/object internal/plan internal/site internal/symbol internal/target"},
	"internal/engine/user": {left, "event script internal/codegen internal/engine internal/object internal/engine/user/inject internal/engine/user/local internal/engine/user/relocate " +
		"internal/engine/user/shm internal/engine/user/trampoline internal/engine/user/translate internal/engine/user/x86 internal/plan internal/site internal/symbol internal/target"},
	"internal/engine/hybrid":          {left, "internal/codegen internal/engine internal/engine/kernel internal/engine/user internal/plan internal/site internal/symbol"},
	"internal/engine/user/trampoline": {left, "internal/engine/user/shm internal/engine/user/x86"},
	"internal/engine/user/inject":     {left, "script internal/symbol internal/target"},
	"internal/engine/user/relocate":   {left, "internal/site"},
	"internal/engine/user/x86":        {left, ""},
	"internal/engine/user/local":      {left, "internal/engine/user/x86"},
	"internal/engine/user/shm":        {left, "internal/engine/user/x86"},
	"internal/engine/user/translate":  {left, "internal/codegen internal/engine/user/shm internal/engine/user/x86"},
	"internal/engine/tracefs":         {left, "event script internal/ctype internal/engine internal/engine/lease internal/plan internal/plan/interp internal/site internal/symbol internal/target"},

	"internal/plan/interp":   {left, "event internal/ctype internal/plan internal/site"},
	"internal/plan/plantest": {left, "event internal/ctype internal/plan internal/plan/interp internal/site internal/symbol"},
	"internal/engine/enginetest": {left, "event script internal/codegen internal/ctype internal/engine internal/fixture internal/plan internal/resolve " +
		"internal/site internal/symbol internal/target"},

	"internal/agg":           {right, "event"},
	"internal/render":        {right, "event internal/agg"},
	"internal/render/prompt": {right, ""},
	"internal/render/live":   {right, "event internal/agg internal/render"},
	"internal/render/page":   {right, "event internal/agg internal/render"},
	"internal/export":        {right, "event internal/agg"},

	"internal/sqlprobe":      {shared, "event script"},
	"internal/sqlstat":       {right, "event internal/agg internal/sqlprobe"},
	"internal/scaffold":      {shared, "event script"},
	"internal/doctor":        {left, "event script internal/codegen internal/engine internal/engine/kernel internal/engine/user internal/engine/tracefs internal/symbol internal/target"},
	"internal/fixture":       {shared, ""},
	"internal/engine/lease":  {left, ""},
	"internal/fixture/death": {shared, ""},
	"internal/house":         {shared, ""},
	"internal/safety":        {shared, "internal/fixture"},

	".": {wiring, "event script internal/agg internal/codegen internal/ctype internal/doctor internal/engine internal/engine/kernel internal/engine/mixed " +
		"internal/engine/user internal/engine/hybrid internal/engine/tracefs internal/object internal/plan internal/prototype internal/resolve internal/site internal/sqlprobe internal/sqlstat " +
		"internal/symbol internal/target"},
	"cmd/sonde": {wiring, ". event script internal/agg internal/doctor internal/export internal/render internal/render/live internal/render/prompt internal/render/page " +
		"internal/scaffold internal/sqlprobe internal/sqlstat"},

	"sondetest": {wiring, ". event script"},

	"internal/valuetest": {wiring, ". event internal/fixture internal/render"},

	"build/report": {shared, ""},
	"bench":        {shared, ""},
	"bench/reader": {wiring, "."},
}

// foreign lists the packages of others that only some rooms may import, tests included; the longest prefix decides.
var foreign = map[string]string{
	"debug/dwarf":                "internal/symbol",
	"github.com/cilium/ebpf":     "internal/codegen internal/engine/kernel internal/object internal/engine/user/translate",
	"github.com/cilium/ebpf/asm": "internal/codegen internal/engine/kernel internal/engine/user internal/engine/user/translate internal/object",
	"charm.land":                 "internal/render/live",
	"github.com/spf13/cobra":     "cmd/sonde",
	"net/http":                   "internal/symbol internal/export cmd/sonde",
}

// foreignRooms says which rooms may import a package of others; "" with false when any may.
func foreignRooms(path string) (string, bool) {
	best := ""
	for prefix := range foreign {
		if (path == prefix || strings.HasPrefix(path, prefix+"/")) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return foreign[best], best != ""
}
