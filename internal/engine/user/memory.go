package user

import (
	"os"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// lay gives the maps of a program their places in the shared memory.
func lay(code *codegen.Program) (*shm.Layout, error) {
	return shm.Lay(translate.Specs(code), cpus())
}

// cpus is how many CPUs the machine can have: /sys/devices/system/cpu/possible, "0-7".
func cpus() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err == nil {
		_, last, ok := strings.Cut(strings.TrimSpace(string(text)), "-")
		if n, err := strconv.Atoi(last); ok && err == nil {
			return n + 1
		}
	}
	return 1
}

// Counters of gates, behind the shared memory of the maps.
const (
	gateNested = 0
	gateFull   = 8
	gateSize   = 4096
)
