package docker

import (
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
)

// HostConfig is how a container stands to the machine: what the flags of `run`
// said.
type HostConfig struct {
	Binds           []string
	ContainerIDFile string
	LogConfig       LogConfig
	NetworkMode     string
	PortBindings    map[string][]PortBinding
	RestartPolicy   RestartPolicy
	AutoRemove      bool
	VolumeDriver    string
	VolumesFrom     []string
	ConsoleSize     [2]int
	Annotations     map[string]string `json:",omitempty"`
	CapAdd          []string
	CapDrop         []string
	CgroupnsMode    string
	DNS             []string `json:"Dns"`
	DNSOptions      []string `json:"DnsOptions"`
	DNSSearch       []string `json:"DnsSearch"`
	ExtraHosts      []string
	GroupAdd        []string
	IpcMode         string
	Cgroup          string
	Links           []string
	OomScoreAdj     int
	PidMode         string
	Privileged      bool
	PublishAllPorts bool
	ReadonlyRootfs  bool
	SecurityOpt     []string
	StorageOpt      map[string]string `json:",omitempty"`
	Tmpfs           map[string]string `json:",omitempty"`
	UTSMode         string
	UsernsMode      string
	ShmSize         int64
	Sysctls         map[string]string `json:",omitempty"`
	Runtime         string
	Isolation       string
	Resources
	Mounts        []MountPoint `json:",omitempty"`
	Init          *bool        `json:",omitempty"`
	MaskedPaths   []string
	ReadonlyPaths []string

	// This one is Podman's.

	Timeout int `json:",omitempty"` // seconds after which the command is killed
}

// LogConfig is how the container's output is kept.
type LogConfig struct {
	Type   string
	Config map[string]string
}

// RestartPolicy is what happens when the command has ended.
type RestartPolicy struct {
	Name              string
	MaximumRetryCount int
}

func newHostConfig(v runner.View) HostConfig {
	o := v.Options
	facts, _ := spec.FactsOf(v.Spec)       // Build wrote them: there is no error
	shm, _ := spec.ParseShmSize(o.ShmSize) // nor is there one in what Build has read
	h := HostConfig{
		Binds: binds(v), LogConfig: logConfig(v.Log), NetworkMode: mode(v), PortBindings: bindings(v.Ports),
		RestartPolicy: RestartPolicy{facts.Restart.Name, facts.Restart.MaxRetries}, AutoRemove: v.AutoRemove,
		Annotations: keyValues(o.Annotations), CapAdd: capabilities(o.CapAdd), CapDrop: capabilities(o.CapDrop),
		CgroupnsMode: or(o.CgroupNS, "private"), DNS: list(o.DNS), DNSOptions: list(o.DNSOptions), DNSSearch: list(o.DNSSearch),
		ExtraHosts: o.AddHosts, PublishAllPorts: o.PublishAll, ContainerIDFile: o.CIDFile, Timeout: facts.Timeout,
		GroupAdd: o.GroupAdd, IpcMode: or(o.IPC, "private"), PidMode: o.PID, UTSMode: o.UTS, UsernsMode: o.UserNS,
		Privileged: facts.Privileged, ReadonlyRootfs: o.ReadOnly, SecurityOpt: o.SecurityOpt, Tmpfs: tmpfs(o.Tmpfs),
		ShmSize: shm, Sysctls: keyValues(o.Sysctls), Runtime: "rl", Resources: newResources(v), Mounts: mountPoints(v), VolumesFrom: o.VolumesFrom,
		MaskedPaths: v.Spec.Linux.MaskedPaths, ReadonlyPaths: v.Spec.Linux.ReadonlyPaths,
	}
	if o.OOMScoreAdj != nil {
		h.OomScoreAdj = *o.OOMScoreAdj
	}
	if facts.Init {
		h.Init = &facts.Init
	}
	return h
}

func logConfig(o logs.Options) LogConfig {
	c := LogConfig{Type: or(o.Driver, logs.JSONFile), Config: map[string]string{}}
	if o.MaxSize > 0 {
		c.Config["max-size"] = strconv.FormatInt(o.MaxSize, 10)
	}
	if o.MaxFile > 0 {
		c.Config["max-file"] = strconv.Itoa(o.MaxFile)
	}
	if o.Compress {
		c.Config["compress"] = "true"
	}
	if o.Mode != "" {
		c.Config["mode"] = o.Mode
	}
	for key, value := range map[string]string{
		"tag": o.Select.Tag, "labels": strings.Join(o.Select.Labels, ","), "labels-regex": o.Select.LabelsRegex,
		"env": strings.Join(o.Select.Env, ","), "env-regex": o.Select.EnvRegex,
	} {
		if value != "" {
			c.Config[key] = value
		}
	}
	if o.MaxBuffer > 0 {
		c.Config["max-buffer-size"] = strconv.FormatInt(o.MaxBuffer, 10)
	}
	return c
}

// list makes of no words an empty list, which JSON shows as [].
func list(words []string) []string { return append([]string{}, words...) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// capabilities writes names as Docker does, ALL or CAP_NET_ADMIN.
func capabilities(names []string) []string {
	var list []string
	for _, name := range names {
		name = strings.ToUpper(name)
		if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		list = append(list, name)
	}
	return list
}

// keyValues makes a map of K=V words, nil of none.
func keyValues(words []string) map[string]string {
	if len(words) == 0 {
		return nil
	}
	m := make(map[string]string, len(words))
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		m[key] = value
	}
	return m
}
