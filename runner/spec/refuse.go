package spec

import "fmt"

// Refuse gives the error for an option that no unprivileged user can be given, whatever the machine; nil for
// any other option. flag is with its dashes.
func Refuse(flag string) error {
	why := map[string]string{
		"--device-cgroup-rule":    "device rules of a cgroup are programs only root may load; --device gives a device that you may open",
		"--cpu-rt-period":         "real-time budgets belong to root; --cpu-shares and --cpus divide the ordinary time",
		"--cpu-rt-runtime":        "real-time budgets belong to root; --cpu-shares and --cpus divide the ordinary time",
		"--kernel-memory":         "cgroup v2 has no separate limit of kernel memory; --memory counts it in",
		"--memory-swappiness":     "cgroup v2 has no swappiness of a container; --memory-swap bounds its swap",
		"--oom-kill-disable":      "cgroup v2 always kills at the limit; --memory-reservation or a higher --memory avoids it",
		"--isolation":             "it is for Windows containers",
		"--cpu-count":             "it is for Windows containers; --cpus bounds processor time",
		"--cpu-percent":           "it is for Windows containers; --cpus bounds processor time",
		"--io-maxbandwidth":       "it is for Windows containers; --device-read-bps and --device-write-bps bound what goes to a device",
		"--io-maxiops":            "it is for Windows containers; --device-read-iops and --device-write-iops bound what goes to a device",
		"--runtime":               "rl runs containers itself",
		"--link-local-ip":         "it is for routing daemons on many machines; --ip gives an address in a network",
		"--use-api-socket":        "there is no daemon, and so no socket to hand on",
		"--disable-content-trust": "Docker's own signatures are at their end; policy.json says which signed images are accepted",
		"--storage-opt": "a quota of the root file system is one of XFS projects, which are root's; " +
			"--read-only with --tmpfs FOLDER:size=SIZE bounds what is written",
	}[flag]
	if why == "" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", flag, ErrNeedsRoot, why)
}
