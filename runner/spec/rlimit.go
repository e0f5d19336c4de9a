package spec

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// unlimited is RLIM_INFINITY.
const unlimited = math.MaxUint64

// Open files of a container that asks for nothing, as Docker's service has them from systemd: a soft limit
// that programs which close every possible descriptor can live with, and room to raise it. Set rather than
// inherited, because Go has raised the soft limit of the process that starts the container.
const (
	nofileSoft = 1024
	nofileHard = 524288
)

// rlimitNumbers gives the kernel's number for each name of --ulimit.
func rlimitNumbers() map[string]int {
	return map[string]int{
		"core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
		"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE,
		"nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS,
		"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING,
		"stack": unix.RLIMIT_STACK,
	}
}

// setRlimits carries out --ulimit; what is not set there is inherited from the caller, open files excepted.
func (b *builder) setRlimits() error {
	list := []specs.POSIXRlimit{}
	for _, s := range b.opts.Ulimits {
		limit, err := ParseUlimit(s)
		if err != nil {
			return err
		}
		if err := b.checkHard(s, limit); err != nil {
			return err
		}
		same := func(l specs.POSIXRlimit) bool { return l.Type == limit.Type }
		list = append(slices.DeleteFunc(list, same), limit) // the last one counts
	}
	isNofile := func(l specs.POSIXRlimit) bool { return l.Type == "RLIMIT_NOFILE" }
	if !slices.ContainsFunc(list, isNofile) {
		hard := min(nofileHard, b.hardLimit(unix.RLIMIT_NOFILE))
		list = append(list, specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: min(nofileSoft, hard), Hard: hard})
	}
	b.spec.Process.Rlimits = list
	return nil
}

func (b *builder) hardLimit(resource int) uint64 {
	if b.host.HardLimit == nil {
		return unlimited
	}
	return b.host.HardLimit(resource)
}

func (b *builder) checkHard(s string, limit specs.POSIXRlimit) error {
	name := strings.ToLower(strings.TrimPrefix(limit.Type, "RLIMIT_"))
	have := b.hardLimit(rlimitNumbers()[name])
	if limit.Hard <= have {
		return nil
	}
	return fmt.Errorf("--ulimit %s: your own hard limit of %s is %d and only root can exceed it; ask for less, or have "+
		"it raised in /etc/security/limits.conf", s, name, have)
}

// ParseUlimit reads name=soft[:hard]. -1 and unlimited mean no limit; hard is soft when left out.
func ParseUlimit(s string) (specs.POSIXRlimit, error) {
	var limit specs.POSIXRlimit
	name, value, found := strings.Cut(s, "=")
	if !found {
		return limit, fmt.Errorf("invalid ulimit %q: write NAME=SOFT[:HARD], such as nofile=1024:2048", s)
	}
	if _, known := rlimitNumbers()[name]; !known {
		return limit, fmt.Errorf("invalid ulimit %q: no limit is called %q (see getrlimit(2))", s, name)
	}
	soft, hard, both := strings.Cut(value, ":")
	if !both {
		hard = soft
	}
	var err error
	if limit.Soft, err = rlimitValue(soft); err != nil {
		return limit, fmt.Errorf("invalid ulimit %q: %w", s, err)
	}
	if limit.Hard, err = rlimitValue(hard); err != nil {
		return limit, fmt.Errorf("invalid ulimit %q: %w", s, err)
	}
	if limit.Soft > limit.Hard {
		return limit, fmt.Errorf("invalid ulimit %q: the soft limit is above the hard one", s)
	}
	limit.Type = "RLIMIT_" + strings.ToUpper(name)
	return limit, nil
}

func rlimitValue(s string) (uint64, error) {
	if s == "-1" || s == "unlimited" {
		return unlimited, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor unlimited", s)
	}
	return n, nil
}

// setOOMScore: the kernel lets nobody but root lower the score below where it is.
func (b *builder) setOOMScore() error {
	adj := b.opts.OOMScoreAdj
	if adj == nil {
		return nil
	}
	if *adj < -1000 || *adj > 1000 {
		return fmt.Errorf("--oom-score-adj %d: must be between -1000 and 1000", *adj)
	}
	if b.host.OOMScoreAdj != nil {
		if own := b.host.OOMScoreAdj(); *adj < own {
			return fmt.Errorf("--oom-score-adj %d: %w to go below your own, %d", *adj, ErrNeedsRoot, own)
		}
	}
	b.spec.Process.OOMScoreAdj = adj
	return nil
}
