package userns

import "testing"

func TestOwnNamespaceIsNotBelowItself(t *testing.T) {
	if belowOurs("/proc/self/ns/user") {
		t.Error("a namespace was taken for its own parent")
	}
	if belowOurs("/proc/self/ns/nothing") {
		t.Error("a namespace that is not there was taken for one of ours")
	}
}
