package build

import (
	"fmt"
	"strconv"
	"strings"
)

// exposed reads the argument of EXPOSE, "80", "53/udp" or "8000-8010".
func exposed(text string) ([]string, error) {
	bad := fmt.Errorf("EXPOSE %s is not like 80, 53/udp or 8000-8010", text)
	numbers, protocol, ok := strings.Cut(strings.ToLower(text), "/")
	if !ok {
		protocol = "tcp"
	}
	if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, bad
	}
	if i := strings.LastIndexByte(numbers, ':'); i >= 0 {
		numbers = numbers[i+1:] // Docker takes and forgets what stands before
	}
	low, high, ok := strings.Cut(numbers, "-")
	if !ok {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first > last {
		return nil, bad
	}
	var ports []string
	for n := first; n <= last; n++ {
		ports = append(ports, fmt.Sprintf("%d/%s", n, protocol))
	}
	return ports, nil
}
