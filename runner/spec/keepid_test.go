package spec

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/storage"
)

func TestExchangeMovesTwoIDsOnly(t *testing.T) {
	m := func(in, out, n uint32) specs.LinuxIDMapping {
		return specs.LinuxIDMapping{ContainerID: in, HostID: out, Size: n}
	}
	for _, test := range []struct {
		id, size uint32
		want     []specs.LinuxIDMapping
	}{
		{1000, 65537, []specs.LinuxIDMapping{m(0, 1000, 1), m(1, 1, 999), m(1000, 0, 1), m(1001, 1001, 64536)}},
		{1, 65537, []specs.LinuxIDMapping{m(0, 1, 1), m(1, 0, 1), m(2, 2, 65535)}},
		{0, 65537, []specs.LinuxIDMapping{m(0, 0, 65537)}},
		{65536, 65537, []specs.LinuxIDMapping{m(0, 65536, 1), m(1, 1, 65535), m(65536, 0, 1)}},
		{200000, 65537, []specs.LinuxIDMapping{m(0, 65536, 1), m(1, 1, 65535), m(200000, 0, 1)}},
		{1000, 1, []specs.LinuxIDMapping{m(1000, 0, 1)}},
	} {
		if got := exchangeIDs(test.id, test.size); !slices.Equal(got, test.want) {
			t.Errorf("exchangeIDs(%d, %d) = %v, want %v", test.id, test.size, got, test.want)
		}
	}
}

func TestKeepIDRunsAsTheCaller(t *testing.T) {
	host := Host{UID: 1234, GID: 567, UIDs: exchangeIDs(0, 65537), GIDs: exchangeIDs(0, 65537)}
	for _, test := range []struct {
		userns, user string
		uid, gid     uint32
	}{
		{"keep-id", "", 1234, 567},
		{"keep-id:uid=7,gid=8", "", 7, 8},
		{"keep-id", "0:0", 0, 0},
	} {
		s, err := Build(Options{ID: "0123456789abcdef", Args: []string{"true"}, UserNS: test.userns, User: test.user}, storage.Config{User: "99"}, host)
		if err != nil {
			t.Fatal(err)
		}
		if u := s.Process.User; u.UID != test.uid || u.GID != test.gid {
			t.Errorf("--userns %s -u %q runs as %d:%d", test.userns, test.user, u.UID, u.GID)
		}
	}
}
