package event_test

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
)

// Arguments by name, as Go values; what is missing says why.
func ExampleCall_Arg() {
	call := event.Call{Function: "read", Args: []event.Field{
		{Name: "fd", Value: event.Int(3)},
		{Name: "buf", Value: event.Missing(event.Unreadable, 0x7f00)},
	}}
	fmt.Println(call.Arg("fd").Int64(), call.Arg("fd").OK())
	fmt.Println(call.Arg("buf").Err())
	fmt.Println(call.Arg("count").Err())
	// Output:
	// 3 true
	// unreadable at 0x7f00
	// no such value
}

// Members are found through pointers.
func ExampleValue_Field() {
	address := event.Value{Kind: event.KindStruct, Fields: []event.Field{
		{Name: "host", Value: event.String("example.com")}, {Name: "port", Value: event.Uint(80)}}}
	pointer := event.Value{Kind: event.KindPointer, Uint: 0x1000, Elem: &address}
	fmt.Println(pointer.Field("host").Chars(), pointer.Field("port").Uint64(), pointer.IsNil())
	fmt.Println(pointer.Text(event.LangC))
	// Output:
	// example.com 80 false
	// &{host="example.com", port=80}
}

// A value as plain Go, to be handed to something else.
func ExampleValue_Any() {
	list := event.Value{Kind: event.KindArray, Len: 2, Fields: []event.Field{{Value: event.Int(1)}, {Value: event.String("two")}}}
	fmt.Printf("%#v\n", list.Any())
	// Output:
	// []interface {}{1, "two"}
}

// What a run gathered, by the name of the script's map and the function.
func ExampleSnapshot_Map() {
	snapshot := event.Snapshot{Maps: []event.Map{{Kind: event.AggCount, Entries: []event.Entry{
		{Function: &event.FunctionRef{Function: "malloc"}, Agg: event.Aggregate{Kind: event.AggCount, Count: 7}},
		{Function: &event.FunctionRef{Function: "free"}, Agg: event.Aggregate{Kind: event.AggCount, Count: 5}},
	}}}}
	counts, _ := snapshot.Map("")
	mallocs, _ := counts.Function("malloc")
	fmt.Println(mallocs.Count, counts.Total())
	// Output:
	// 7 12
}
