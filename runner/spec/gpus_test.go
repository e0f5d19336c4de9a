package spec

import (
	"reflect"
	"testing"
)

func TestParseGPUs(t *testing.T) {
	gpu := []string{"gpu"}
	for word, want := range map[string]GPURequest{
		"all":                            {Count: -1, Capabilities: gpu},
		"2":                              {Count: 2, Capabilities: gpu},
		"count=all":                      {Count: -1, Capabilities: gpu},
		"driver=nvidia":                  {Driver: "nvidia", Count: -1, Capabilities: gpu},
		"device=0":                       {DeviceIDs: []string{"0"}, Capabilities: gpu},
		"device=0,1":                     {DeviceIDs: []string{"0", "1"}, Capabilities: gpu},
		`"device=0,GPU-3a23c669"`:        {DeviceIDs: []string{"0", "GPU-3a23c669"}, Capabilities: gpu},
		`all,"capabilities=utility,gpu"`: {Count: -1, Capabilities: []string{"utility", "gpu"}},
	} {
		if got, err := ParseGPUs(word); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "0", "-2", "some", "count=x", "device=", "device=0,", "driver=", "driver=a/b", "1,device=0", "capabilities=flying", `"`, "colour=red"} {
		if got, err := ParseGPUs(word); err == nil {
			t.Errorf("%q: got %+v", word, got)
		}
	}
}

func FuzzParseGPUs(f *testing.F) {
	f.Add(`"device=0,1",capabilities=utility`)
	f.Fuzz(func(t *testing.T, word string) {
		r, err := ParseGPUs(word)
		if err == nil && (r.Count == 0) == (r.DeviceIDs == nil) {
			t.Errorf("%q: neither or both of count and devices: %+v", word, r)
		}
	})
}

func TestIsCDIName(t *testing.T) {
	for word, want := range map[string]bool{
		"nvidia.com/gpu=all": true, "vendor/class=a:b": true, "/dev/fuse": false, "/dev/a=b": false, "gpu=all": false, "/dev/x:/dev/y=z": false,
	} {
		if IsCDIName(word) != want {
			t.Errorf("%q: %v", word, !want)
		}
	}
}
