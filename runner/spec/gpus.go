package spec

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// GPURequest is one value of --gpus.
type GPURequest struct {
	// Driver is the vendor's first word, nvidia for nvidia.com; empty for the one that the machine has.
	Driver string
	// Count is how many, -1 for all; 0 with DeviceIDs.
	Count int
	// DeviceIDs are numbers or names that the vendor gives.
	DeviceIDs []string
	// Capabilities are Docker's words for parts of the driver; with CDI all parts are there.
	Capabilities []string
}

// gpuCapabilities are the words that Docker's documentation and NVIDIA's have.
var gpuCapabilities = []string{"gpu", "nvidia", "amd", "compute", "compat32", "graphics", "utility", "video", "display", "ngx"}

// ParseGPUs reads the value of --gpus: all, a number, or a comma-separated list of count=N|all, device=ID[,ID] in
// quotes, driver=NAME and capabilities=WORD.
func ParseGPUs(s string) (GPURequest, error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return GPURequest{}, fmt.Errorf("--gpus %q: %w", s, err)
	}
	var r GPURequest
	last := ""
	for _, field := range fields {
		key, value, found := strings.Cut(field, "=")
		if !found {
			key, value = "count", field
			if last == "device" { // device=0,1 without quotes
				key = last
			}
		}
		if last = key; !r.set(key, value) {
			return r, fmt.Errorf("--gpus %q: %q is none of all, a number, count=N, device=ID, driver=NAME and capabilities=WORD", s, field)
		}
	}
	switch {
	case r.Count != 0 && r.DeviceIDs != nil:
		return r, fmt.Errorf("--gpus %q: give count or device, not both", s)
	case r.Count == 0 && r.DeviceIDs == nil:
		r.Count = -1
	}
	if !slices.Contains(r.Capabilities, "gpu") {
		r.Capabilities = append(r.Capabilities, "gpu")
	}
	return r, nil
}

// set takes one field; false for one that makes no sense.
func (r *GPURequest) set(key, value string) bool {
	words := strings.Split(value, ",")
	switch key {
	case "count":
		if value == "all" {
			r.Count = -1
			return true
		}
		n, err := strconv.Atoi(value)
		r.Count = n
		return err == nil && (n > 0 || n == -1)
	case "device":
		r.DeviceIDs = append(r.DeviceIDs, words...)
		return !slices.Contains(words, "")
	case "driver":
		r.Driver = value
		return value != "" && strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	case "capabilities":
		r.Capabilities = append(r.Capabilities, words...)
		return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(gpuCapabilities, w) })
	}
	return false
}
