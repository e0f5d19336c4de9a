package seccomp

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// x32Base is the lowest number of an x32 call; they come with the architecture x86_64.
const x32Base = 0x40000000

// armBase is where the numbers of calls that only arm has begin.
const armBase = 0xf0000

// tableSize is above the highest number in any table, counted from its base.
const tableSize = 1024

// call is a system call and its number on each architecture, -1 where there is none.
type call struct {
	name                         string
	amd64, x32, i386, arm64, arm int32
}

// find gives the index in calls of the call with that name.
func find(name string) (int, bool) {
	return slices.BinarySearchFunc(calls[:], name, func(c call, name string) int { return strings.Compare(c.name, name) })
}

// arch is one value of seccomp_data.arch and the numbers that can come with it.
type arch struct {
	audit  uint32
	tables []table // by ascending base
}

// table gives the numbers of one ABI's calls, from base on.
type table struct {
	base   uint32
	number func(*call) int32 // counted from base; negative for none
	listed bool              // whether the profile names the ABI; calls of one that it does not name do not exist
}

// architectures are those of the machine that the profile names, the machine's own first.
func architectures(names []specs.Arch, goarch string) ([]arch, error) {
	switch goarch {
	case "amd64":
		native := arch{unix.AUDIT_ARCH_X86_64, []table{
			{0, func(c *call) int32 { return c.amd64 }, true},
			{x32Base, func(c *call) int32 { return c.x32 }, slices.Contains(names, specs.ArchX32)},
		}}
		x86 := arch{unix.AUDIT_ARCH_I386, []table{{0, func(c *call) int32 { return c.i386 }, true}}}
		return with(native, slices.Contains(names, specs.ArchX86), x86), nil
	case "arm64":
		native := arch{unix.AUDIT_ARCH_AARCH64, []table{{0, func(c *call) int32 { return c.arm64 }, true}}}
		arm := arch{unix.AUDIT_ARCH_ARM, []table{
			{0, func(c *call) int32 { return c.arm }, true},
			{armBase, func(c *call) int32 { return c.arm - armBase }, true},
		}}
		return with(native, slices.Contains(names, specs.ArchARM), arm), nil
	}
	return nil, fmt.Errorf("no seccomp for architecture %s", goarch)
}

func with(native arch, both bool, other arch) []arch {
	if both {
		return []arch{native, other}
	}
	return []arch{native}
}
