package resolve

import (
	"fmt"
	"sync"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// object is an opened file and its place in the plan being made.
type object struct {
	target.Object
	file *symbol.File
	id   int // in Plan.Objects, -1 not yet
	goid int64
	has  bool                          // goid is known
	cold map[string][]*symbol.Function // see coldParts
}

// Objects keeps object files open by identity, for as long as a session needs their symbols. Safe for use from
// several goroutines.
type Objects struct {
	mu   sync.Mutex
	open map[string]*object
	// planning is held while a plan is made: objects know their place in it.
	planning sync.Mutex
}

// NewObjects gives an empty cache. The caller closes it.
func NewObjects() *Objects { return &Objects{open: map[string]*object{}} }

// Close closes all files.
func (o *Objects) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, obj := range o.open {
		obj.file.Close()
	}
	o.open = map[string]*object{}
	return nil
}

func (o *Objects) get(t target.Object) (*object, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := fmt.Sprintf("%d:%d", t.Dev, t.Ino)
	if t.Ino == 0 {
		key = t.Open
	}
	if obj, ok := o.open[key]; ok {
		return obj, nil
	}
	f, err := symbol.Open(t.Open)
	if err != nil {
		return nil, err
	}
	obj := &object{Object: t, file: f, id: -1}
	o.open[key] = obj
	return obj, nil
}

// forget takes all objects out of the plan that was being made.
func (o *Objects) forget() {
	for _, obj := range o.open {
		obj.id = -1
	}
}

// planned gives the object's index in the plan.
func (r *resolver) planned(obj *object) int {
	if obj.id < 0 {
		obj.id = len(r.plan.Objects)
		r.plan.Objects = append(r.plan.Objects, plan.Object{Path: obj.Path, Open: obj.Open, BuildID: obj.file.BuildID(), File: obj.file})
	}
	return obj.id
}

// goidOffset is where goid lies in runtime.g.
func (obj *object) goidOffset() int64 {
	if !obj.has {
		obj.goid, _ = obj.file.GoidOffset()
		obj.has = true
	}
	return obj.goid
}
