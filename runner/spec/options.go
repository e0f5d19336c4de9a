package spec

import "net/netip"

// Options is what a person asked of `run` or `create`. Strings are as typed on the command line: Build
// parses them, so that the same words give the same errors from wherever they come. The zero value is
// `run IMAGE` without a flag.
type Options struct {
	// ID is the container's 64-digit id; its first 12 digits are the default host name.
	ID string
	// Rootfs (--rootfs) is a folder to run instead of an image; see ParseRootfs.
	Rootfs string
	// Args is what follows the image: the arguments, replacing the image's CMD.
	Args []string
	// Entrypoint (--entrypoint) replaces the image's entrypoint and drops its CMD; "" means none at all.
	Entrypoint *string
	// Workdir (-w) must be absolute; it is created in the container when it is missing.
	Workdir string
	// User (-u) is name|uid[:group|gid], names being those of the image.
	User string
	// GroupAdd (--group-add) adds groups by name or number; "keep-groups" keeps the caller's own.
	GroupAdd []string

	// Env (-e) is K=V, or K for the caller's value.
	Env []string
	// EnvFiles (--env-file) are paths, relative ones to Host.Dir. Env wins over them.
	EnvFiles []string
	// Hostname (-h) defaults to the short id, with the host's network to the host's name.
	Hostname string
	// Domainname (--domainname) is the NIS domain name.
	Domainname string

	// TTY (-t) gives the command a terminal as its standard input and output.
	TTY bool
	// Init (--init) runs the command below a small init that reaps and forwards signals.
	Init bool
	// Systemd (--systemd) prepares the container for an init system as its first process: "true", or nothing, where
	// the command is one, "always", or "false" for never.
	Systemd string
	// ReadOnly (--read-only) mounts the root file system read-only.
	ReadOnly bool
	// Privileged gives every capability the user namespace has, the host's devices that the caller may
	// open, and neither a seccomp profile nor masked paths. It never gives more than the caller has.
	Privileged bool

	// Volumes (-v) are src:dst[:options]; src is a path or the name of a volume.
	Volumes []string
	// Mounts (--mount) are comma-separated key=value lists.
	Mounts []string
	// VolumesFrom (--volumes-from) are CONTAINER[:ro|rw]; Inherited is what that comes to: the mounts of those
	// containers, where the other options mount nothing.
	VolumesFrom []string
	Inherited   []Mount `json:",omitempty"`
	// Tmpfs (--tmpfs) are PATH[:options].
	Tmpfs []string
	// Devices (--device) are HOST[:CONTAINER][:rwm], or names of devices in CDI files. GPUs (--gpus) are as
	// ParseGPUs reads them. Injection is what CDI files say about both; nil where neither needs them.
	Devices, GPUs []string
	Injection     *Injection `json:",omitempty"`
	// ShmSize (--shm-size) of /dev/shm, "64m" when empty.
	ShmSize string

	// CapAdd and CapDrop (--cap-add, --cap-drop) are capability names with or without CAP_, or ALL.
	CapAdd, CapDrop []string
	// SecurityOpt (--security-opt); see ParseSecurityOpts.
	SecurityOpt []string
	// Ulimits (--ulimit) are name=soft[:hard].
	Ulimits []string
	// Sysctls (--sysctl) are name=value, namespaced ones only.
	Sysctls []string
	// OOMScoreAdj (--oom-score-adj), -1000 to 1000; nil keeps the caller's.
	OOMScoreAdj *int
	// Limits are the flags that a cgroup carries out.
	Limits Limits
	// CgroupParent (--cgroup-parent) is a slice of systemd's, or a path below the group that is delegated.
	CgroupParent string

	// Network, PID, IPC, UTS, CgroupNS and UserNS are the modes of --network, --pid, --ipc, --uts,
	// --cgroupns and --userns: "" (the default), host, private, none, or container:ID with the name
	// already resolved to a full id. Network may also be the name of a network.
	Network, PID, IPC, UTS, CgroupNS, UserNS string

	// AddHosts (--add-host) are NAME:IP; see ParseExtraHost. DNS, DNSOptions and DNSSearch (--dns, --dns-option,
	// --dns-search) are single words of resolv.conf.
	AddHosts, DNS, DNSOptions, DNSSearch []string
	// Expose (--expose) are PORT[-LAST][/PROTOCOL]; PublishAll (-P) publishes them and the image's.
	Expose     []string
	PublishAll bool
	// Egress (--egress) says what the container may reach outside its networks; see slirp.ParseEgress.
	Egress []string `json:",omitempty"`
	// PublishAddress is the host's address for ports that are published without one, every address if not valid.
	PublishAddress netip.Addr `json:",omitzero"`

	// Attach names the streams that the command line which made the container was connected to, and CIDFile
	// (--cidfile) the file that it wrote the id to; for inspect only.
	Attach  []string
	CIDFile string

	// StopSignal (--stop-signal) by name or number; the image's, then SIGTERM, when empty.
	StopSignal string
	// StopTimeout (--stop-timeout) in seconds, nil for 10, -1 to wait for ever.
	StopTimeout *int
	// SDNotify (--sdnotify) is who tells systemd that the container is ready: "rl" when it runs, "healthy" when it is
	// healthy, "container" when it says so itself, "ignore" for nobody.
	SDNotify string
	// Timeout (--timeout) is how many seconds the command may run before it is killed; 0 for as long as it likes.
	Timeout int
	// Health are the flags about health checks.
	Health HealthOptions
	// Restart (--restart): no, always, unless-stopped, on-failure[:N].
	Restart string

	// Labels (-l) are K=V; LabelFiles (--label-file) hold one each line; Annotations (--annotation) K=V.
	Labels, LabelFiles, Annotations []string
}

// Limits are the options that a cgroup carries out, as typed. `run` and `update` share them. Sizes are
// bytes with an optional unit (b, k, m, g), binary.
type Limits struct {
	// Memory (-m); at least 6m. MemorySwap is memory and swap together: -1 for no limit on swap, twice
	// the memory when empty. MemoryReservation is what the kernel tries to leave to the container.
	Memory, MemorySwap, MemoryReservation string
	// CPUs (--cpus) is a decimal number of processors; it excludes CPUPeriod and CPUQuota.
	CPUs string
	// CPUShares (-c) is the relative weight, 1024 being the usual one; 0 for none given.
	CPUShares int64
	// CPUPeriod and CPUQuota are microseconds; 0 for none given, quota -1 for no limit.
	CPUPeriod, CPUQuota int64
	// CPUSetCPUs and CPUSetMems are lists such as 0-3,5.
	CPUSetCPUs, CPUSetMems string
	// PidsLimit bounds processes and threads; nil for none given, 0 or -1 for no limit.
	PidsLimit *int64
	// BlkioWeight is 10 to 1000, 0 for none given. BlkioWeightDevice are PATH:WEIGHT.
	BlkioWeight       uint16
	BlkioWeightDevice []string
	// DeviceReadBps and DeviceWriteBps are PATH:SIZE for each second, the Iops PATH:NUMBER.
	DeviceReadBps, DeviceWriteBps, DeviceReadIOps, DeviceWriteIOps []string
}
