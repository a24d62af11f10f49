package render

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration gives a time in the unit that fits with three digits: 850ns, 1.2us, 35.1ms, 3.46s, 2m3s.
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	switch {
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case d < 999500*time.Nanosecond:
		return digits(float64(d)/1e3) + "us"
	case d < 999500*time.Microsecond:
		return digits(float64(d)/1e6) + "ms"
	case d < time.Minute:
		return digits(float64(d)/1e9) + "s"
	}
	d = d.Round(time.Second)
	text := d.String() // 1h2m3s
	if d >= time.Hour {
		return strings.TrimSuffix(strings.TrimSuffix(text, "0s"), "0m")
	}
	return text
}

// digits writes three significant digits, without zeros at the end of a fraction.
func digits(v float64) string {
	places := 0
	switch {
	case v < 9.995:
		places = 2
	case v < 99.95:
		places = 1
	}
	text := strconv.FormatFloat(v, 'f', places, 64)
	if places > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// binary shortens multiples of 1024 as the labels of histograms do: 512, 1K, 256K, 4M.
func binary(n int64) string {
	for _, unit := range []struct {
		shift uint
		name  string
	}{{60, "E"}, {50, "P"}, {40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}} {
		if n != 0 && n&(1<<unit.shift-1) == 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// rate writes events per second.
func rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 9.95 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(math.Round(perSecond), 'f', 0, 64)
}

// count writes a number and what it counts: "1 call", "2 calls".
func count(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatUint(n, 10) + " " + what
}
