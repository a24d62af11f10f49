package sonde

import (
	"os"
	"regexp"

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

// kernelTypes are the names that headers of eBPF programs have from the kernel, on one line with what follows, so that lines keep
// their numbers.
const kernelTypes = `typedef unsigned char __u8, u8; typedef unsigned short __u16, u16; typedef unsigned int __u32, u32; typedef unsigned long long __u64, u64; ` +
	`typedef signed char __s8, s8; typedef short __s16, s16; typedef int __s32, s32; typedef long long __s64, s64; `

// loadEvents reads the C declarations of a header that eBPF programs share with their loader. Sizes are macros there, as a rule.
func loadEvents(file string) (*prototype.Table, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	defined := regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(0x[0-9a-fA-F]+|[0-9]+)[ \t]*$`)
	return prototype.Parse(kernelTypes + defined.ReplaceAllString(string(text), "enum { $1 = $2 };"))
}
