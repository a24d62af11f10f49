package sonde

import (
	"os"

	"github.com/sonde-project/sonde/internal/prototype"
)

// loadPrototypes reads C declarations.
func loadPrototypes(file string) (*prototype.Table, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return prototype.Parse(string(text))
}
