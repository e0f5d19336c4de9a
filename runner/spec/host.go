package spec

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Host is what Build has to know of the machine and of the caller. LocalHost fills all of it that can be
// read; the rest is set by the caller of Build.
type Host struct {
	// LookupEnv is the caller's environment (os.LookupEnv).
	LookupEnv func(string) (string, bool)
	// Dir is the caller's working directory, to which relative paths are relative.
	Dir string
	// Hostname is the machine's name, that of a container on the host's network; with --uts container:ID it is
	// that container's.
	Hostname string
	// CPUs is how many processors the caller may use.
	CPUs int
	// UIDs and GIDs are the maps of the user namespace the container will run in: ContainerID is the id
	// inside. Empty means that every id exists.
	UIDs, GIDs []specs.LinuxIDMapping
	// HardLimit is the caller's hard limit of a resource (unix.RLIMIT_NOFILE ...), which no container exceeds.
	HardLimit func(resource int) uint64
	// OOMScoreAdj gives the caller's own score; a container's can only be higher.
	OOMScoreAdj func() int
	// LastCap is the highest capability number the kernel knows.
	LastCap int
	// Mqueue is whether the kernel has POSIX message queues.
	Mqueue bool
	// ThermalThrottle are the folders of each processor's throttling counters, which are masked: they tell how
	// busy the machine is.
	ThermalThrottle []string
	// UID and GID are the caller's on the host, for --userns keep-id.
	UID, GID int

	// ReadFile reads a file that an option names; nil is os.ReadFile. It is there for callers whose files this
	// process cannot read.
	ReadFile func(path string) ([]byte, error)
	// Open opens a file of the image by its absolute path (/etc/passwd and /etc/group are asked for). It must
	// not follow links out of the image. nil, or an error that is os.ErrNotExist, means there is none.
	Open func(path string) (io.ReadCloser, error)
	// Volume gives the directory of a volume, which need not exist yet; it gives an anonymous one its name. nil
	// refuses volumes, and the VOLUMEs of the image stay plain directories.
	Volume func(*Mount) (string, error)
	// Files are made by rl for this container and bound over their destinations (/etc/hosts,
	// /etc/resolv.conf, /etc/hostname) unless the user mounts something there: destination to file.
	Files map[string]string
}

// LocalHost reads the facts of this machine and this process.
func LocalHost() (Host, error) {
	h, err := Machine()
	if err != nil {
		return h, err
	}
	if h.Dir, err = os.Getwd(); err != nil {
		return h, fmt.Errorf("the current directory is gone: %w", err)
	}
	return h, nil
}

// Machine is LocalHost without Dir, for a process that may be in a directory which is closed to it.
func Machine() (Host, error) {
	h := Host{
		LookupEnv: os.LookupEnv,
		CPUs:      runtime.NumCPU(),
		HardLimit: hardLimit,
		LastCap:   lastCap(),
		UID:       os.Getuid(),
		GID:       os.Getgid(),
	}
	h.OOMScoreAdj = oomScoreAdj
	h.Mqueue = unix.Access("/proc/sys/fs/mqueue", unix.F_OK) == nil
	h.ThermalThrottle = thermalThrottle()
	var err error
	if h.Hostname, err = os.Hostname(); err != nil {
		return h, fmt.Errorf("read the host's name: %w", err)
	}
	return h, nil
}

// thermalThrottle: most machines have none, and then this is one failed look-up.
func thermalThrottle() []string {
	const cpus = "/sys/devices/system/cpu/cpu"
	if _, err := os.Stat(cpus + "0/thermal_throttle"); err != nil {
		return nil
	}
	list, _ := filepath.Glob(cpus + "[0-9]*/thermal_throttle") // the pattern is well-formed: no error
	return list
}

// readFile reads what an option names, relative to the caller's working directory.
func (h Host) readFile(name string) ([]byte, error) {
	if h.ReadFile != nil {
		return h.ReadFile(h.abs(name))
	}
	return os.ReadFile(h.abs(name))
}

func hardLimit(resource int) uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil {
		return unlimited
	}
	return limit.Max
}

// lastCap asks the kernel for each capability from the last one known here down: nearly always one question.
func lastCap() int {
	last := unix.CAP_LAST_CAP
	for last > 0 {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(last), 0, 0, 0); err == nil {
			break
		}
		last--
	}
	return last
}

func oomScoreAdj() int {
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text))) // the kernel writes a number
	return n
}

// mapped is whether id exists in a user namespace with the map ids.
func mapped(ids []specs.LinuxIDMapping, id uint32) bool {
	if len(ids) == 0 {
		return true
	}
	for _, m := range ids {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return true
		}
	}
	return false
}
