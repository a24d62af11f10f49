package user

import (
	"slices"

	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// cancels refuses a process whose threads may be cancelled at any instruction: that unwinds from where a thread is, and if it is in our code
// the unwinder does not know the way.
func cancels(process *target.Process) error {
	objects, err := process.Objects()
	if err != nil {
		return err
	}
	const wanted = "pthread_setcanceltype"
	for _, o := range objects {
		file, err := symbol.Open(o.Open)
		if err != nil {
			continue // not an object of code that we know
		}
		uses := slices.Contains(file.Imports(), wanted)
		if !uses && file.Static() {
			found, err := file.Find(symbol.Pattern{Text: wanted})
			uses = err == nil && len(found) > 0
		}
		file.Close()
		if uses {
			err := notOffered("leaves alone what %s is part of: it may have threads cancelled at any instruction (%s)", o.Path, wanted)
			err.Hints = append(err.Hints, "--unsafe goes on: a thread that is cancelled while it is in a probe ends without its clean-ups")
			return err
		}
	}
	return nil
}
