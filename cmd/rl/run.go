package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
	"github.com/rl-project/rl/storage/volume"
)

// createFlags are common to run and create. Values are passed on as typed:
// runner/spec parses them and says what is wrong with them.
type createFlags struct {
	Name        string        `group:"Container" placeholder:"NAME" help:"Name of the container, made up if not given."`
	Pull        string        `group:"Container" default:"missing" enum:"missing,always,never" help:"Download the image: always, missing or never."`
	Platform    string        `group:"Container" placeholder:"OS/ARCH" help:"Take the image for this platform, such as linux/arm64."`
	Interactive bool          `group:"Container" short:"i" help:"Keep stdin open."`
	TTY         bool          `group:"Container" name:"tty" short:"t" help:"Give the command a terminal."`
	RM          bool          `group:"Container" name:"rm" help:"Remove the container when it ends."`
	Restart     string        `group:"Container" placeholder:"POLICY" help:"Start it again when it ends: no, on-failure[:N], always or unless-stopped."`
	Systemd     optionalValue `group:"Container" placeholder:"true|always|false" help:"Prepare it for an init system: where the command is one (true, the default), always, or never (false)."`
	SDNotify    string        `group:"Container" name:"sdnotify" placeholder:"WHO" help:"Who tells systemd that it is ready: rl (the default), healthy, container or ignore."`
	Init        bool          `group:"Container" help:"Run the command below a small init that reaps and forwards signals."`
	CIDFile     string        `group:"Container" name:"cidfile" placeholder:"FILE" help:"Write the container's id to a new file."`
	StopSignal  string        `group:"Container" placeholder:"SIGNAL" help:"Signal that asks the command to end."`
	StopTimeout *int          `group:"Container" placeholder:"SECONDS" help:"Seconds before stop kills the command."`
	Quiet       bool          `group:"Container" short:"q" help:"Download the image without a word."`
	Attach      []string      `group:"Container" short:"a" sep:"none" placeholder:"STREAM" help:"Attach only to stdin, stdout or stderr."`
	Timeout     int           `group:"Container" placeholder:"SECONDS" help:"Kill the command when it has run so long."`

	HealthCmd           string `group:"Health" placeholder:"COMMAND" help:"Command, run by a shell, that fails when the container does not do its work."`
	HealthInterval      string `group:"Health" placeholder:"DURATION" help:"Time between two checks, 30s if not given."`
	HealthTimeout       string `group:"Health" placeholder:"DURATION" help:"How long one check may take, 30s if not given."`
	HealthRetries       int    `group:"Health" placeholder:"NUMBER" help:"Failures in a row that make it unhealthy, 3 if not given."`
	HealthStartPeriod   string `group:"Health" placeholder:"DURATION" help:"Time after the start in which failures do not count."`
	HealthStartInterval string `group:"Health" placeholder:"DURATION" help:"Time between two checks in that time, 5s if not given."`
	HealthOnFailure     string `group:"Health" placeholder:"ACTION" help:"What to do when it is unhealthy: none, kill, restart or stop."`
	NoHealthcheck       bool   `group:"Health" help:"Switch the image's health check off."`

	Entrypoint *string  `group:"Command" placeholder:"COMMAND" help:"Replace the image's entrypoint."`
	Env        []string `group:"Command" short:"e" sep:"none" placeholder:"NAME[=VALUE]" help:"Set an environment variable, or pass one on."`
	EnvFile    []string `group:"Command" sep:"none" placeholder:"FILE" help:"Read environment variables from a file."`
	Workdir    string   `group:"Command" short:"w" placeholder:"FOLDER" help:"Working folder."`
	User       string   `group:"Command" short:"u" placeholder:"USER[:GROUP]" help:"User to run as, by name or number."`
	GroupAdd   []string `group:"Command" sep:"none" placeholder:"GROUP" help:"Add a group; keep-groups keeps all of yours."`
	Hostname   string   `group:"Command" short:"h" placeholder:"NAME" help:"Host name."`
	Domainname string   `group:"Command" placeholder:"NAME" help:"NIS domain name."`
	Label      []string `group:"Command" short:"l" sep:"none" placeholder:"KEY=VALUE" help:"Add a label."`
	LabelFile  []string `group:"Command" sep:"none" placeholder:"FILE" help:"Read labels from a file."`
	Annotation []string `group:"Command" sep:"none" placeholder:"KEY=VALUE" help:"Add an annotation to the runtime description."`

	Volume       []string `group:"Files" short:"v" sep:"none" placeholder:"SOURCE:TARGET[:OPTIONS]" help:"Mount a folder or file of yours, or a volume by its name."`
	Mount        []string `group:"Files" sep:"none" placeholder:"type=TYPE,..." help:"Mount, with all options by name."`
	VolumesFrom  []string `group:"Files" sep:"none" placeholder:"CONTAINER[:ro]" help:"Mount what another container has mounted."`
	VolumeDriver string   `group:"Files" default:"local" placeholder:"DRIVER" help:"Only local exists."`
	Tmpfs        []string `group:"Files" sep:"none" placeholder:"FOLDER[:OPTIONS]" help:"Mount a folder in memory."`
	Rootfs       string   `group:"Files" placeholder:"FOLDER[:O]" help:"Run a folder instead of an image; with :O it stays as it is."`
	ReadOnly     bool     `group:"Files" help:"Make the root file system read-only."`
	Device       []string `group:"Files" sep:"none" placeholder:"HOST[:TARGET]|CDI" help:"Add a device of the host, or one that a CDI file describes (vendor.com/class=name)."`
	GPUs         []string `group:"Files" name:"gpus" sep:"none" placeholder:"all|N|device=ID" help:"Add GPUs, as the vendor's CDI file describes them."`
	ShmSize      string   `group:"Files" placeholder:"SIZE" help:"Size of /dev/shm, 64m if not given."`

	Network      []string `group:"Network" aliases:"net" sep:"none" placeholder:"NETWORK" help:"bridge (the default), none, host, container:NAME, pasta, slirp4netns or gvisor (the default bridge by this uplink), or networks of your own: NAME[,NAME...] or name=NAME,alias=ALIAS,ip=IP."`
	IP           string   `group:"Network" name:"ip" placeholder:"IP" help:"IPv4 address on a network of your own."`
	IP6          string   `group:"Network" name:"ip6" placeholder:"IP" help:"IPv6 address on a network of your own."`
	MACAddress   string   `group:"Network" name:"mac-address" placeholder:"MAC" help:"Hardware address."`
	NetworkAlias []string `group:"Network" name:"network-alias" aliases:"net-alias" sep:"none" placeholder:"NAME" help:"One more name by which others on the network find it."`
	Link         []string `group:"Network" sep:"none" placeholder:"CONTAINER[:ALIAS]" help:"Find another container by a name that only this one has for it."`
	Publish      []string `group:"Network" short:"p" sep:"none" placeholder:"[IP:][HOST:]PORT[/PROTO]" help:"Publish a port of the container, on every address of the host or on that of RL_PUBLISH_ADDRESS."`
	PublishAll   bool     `group:"Network" short:"P" help:"Publish every exposed port on a free port of the host."`
	Expose       []string `group:"Network" sep:"none" placeholder:"PORT[-LAST][/PROTO]" help:"Expose a port, which -P then publishes."`
	Egress       []string `group:"Network" sep:"none" placeholder:"POLICY" help:"What it may reach outside: allow=HOST[:PORT],CIDR[:PORT],... or deny; denials are in 'rl events'."`
	AddHost      []string `group:"Network" sep:"none" placeholder:"NAME:IP" help:"Add a line to /etc/hosts; host-gateway as IP is the host."`
	DNS          []string `group:"Network" name:"dns" sep:"none" placeholder:"IP" help:"Name server to ask."`
	DNSOption    []string `group:"Network" name:"dns-option" aliases:"dns-opt" sep:"none" placeholder:"OPTION" help:"Option of resolv.conf, ndots:2 for example."`
	DNSSearch    []string `group:"Network" name:"dns-search" sep:"none" placeholder:"DOMAIN" help:"Domain to look names up in; . for none."`

	limitFlags
	CgroupParent string   `group:"Limits" placeholder:"GROUP" help:"Control group to be in: a slice of systemd's, or a path below what is delegated."`
	Ulimit       []string `group:"Limits" sep:"none" placeholder:"NAME=SOFT[:HARD]" help:"Limit of each process."`
	OOMScoreAdj  *int     `group:"Limits" name:"oom-score-adj" placeholder:"NUMBER" help:"How readily the kernel kills it for memory, -1000 to 1000."`

	CapAdd      []string `group:"Security" sep:"none" placeholder:"CAPABILITY" help:"Add a capability, or ALL."`
	CapDrop     []string `group:"Security" sep:"none" placeholder:"CAPABILITY" help:"Drop a capability, or ALL."`
	Privileged  bool     `group:"Security" help:"Give everything that the user namespace can give, which is never more than you have."`
	SecurityOpt []string `group:"Security" sep:"none" placeholder:"OPTION" help:"no-new-privileges, seccomp=FILE|unconfined, ..."`
	UserNS      string   `group:"Security" name:"userns" placeholder:"MODE" help:"keep-id[:uid=N,gid=N] gives you your own ids in the container."`
	PID         string   `group:"Security" name:"pid" placeholder:"MODE" help:"Process ids of its own (private), or shared with the host or with container:NAME."`
	IPC         string   `group:"Security" name:"ipc" placeholder:"MODE" help:"private, shareable, none, host or container:NAME."`
	UTS         string   `group:"Security" name:"uts" placeholder:"MODE" help:"A host name of its own (private), or that of the host or of container:NAME."`
	CgroupNS    string   `group:"Security" name:"cgroupns" placeholder:"MODE" help:"private or host."`
	Sysctl      []string `group:"Security" sep:"none" placeholder:"NAME=VALUE" help:"Set a kernel parameter of the container."`

	LogDriver string   `group:"Logs" placeholder:"DRIVER" help:"json-file (the default), local, journald or none."`
	LogOpt    []string `group:"Logs" sep:"none" placeholder:"NAME=VALUE" help:"max-size=10m, max-file=3, compress=true, mode=non-blocking, max-buffer-size=1m, tag=TEMPLATE, labels=NAMES, env=NAMES."`

	Args []string `arg:"" passthrough:"partial" optional:""`
}

// options turns the flags into what the runner takes.
func (f *createFlags) options() (runner.CreateOptions, error) {
	if f.VolumeDriver != volume.Driver {
		return runner.CreateOptions{}, usagef("--volume-driver %q: only local volumes exist without root", f.VolumeDriver)
	}
	var o runner.CreateOptions
	if len(f.Args) > 0 && f.Args[0] == "--" {
		f.Args = f.Args[1:]
	}
	image, err := f.image()
	if err != nil {
		return o, err
	}
	o = runner.CreateOptions{
		Name: f.Name, Image: image, Platform: f.Platform, AutoRemove: f.RM, OpenStdin: f.Interactive, Options: f.description(),
	}
	if policy, err := spec.ParseRestart(f.Restart); err != nil {
		return o, usagef("%w", err)
	} else if f.RM && !policy.None() {
		return o, usagef("--rm removes the container when it ends and --restart starts it again: give one of them")
	}
	if o.Options.Network, o.Networks, err = f.networks(); err != nil {
		return o, usagef("%w", err)
	}
	if err := f.publish(&o); err != nil {
		return o, err
	}
	if err := f.egress(&o); err != nil {
		return o, usagef("--egress: %w", err)
	}
	if err := notifyOptions(&o.Options, f.SDNotify); err != nil {
		return o, err
	}
	if o.Dir, err = os.Getwd(); err != nil {
		return o, usagef("the current folder is gone: %w; change to another", err)
	}
	if o.Log, err = logs.ParseOptions(f.LogDriver, f.LogOpt); err != nil {
		return o, usagef("%w", err)
	}
	return o, nil
}

// publishAddressVar names the address of the host on which ports are published
// that name none, such as 127.0.0.1. It is written into the container: what is
// set when it starts again is of no matter.
const publishAddressVar = "RL_PUBLISH_ADDRESS"

func (f *createFlags) publish(o *runner.CreateOptions) error {
	if text := os.Getenv(publishAddressVar); text != "" {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return usagef("%s=%q is not an IP address of this machine: set it to 127.0.0.1, for example, or unset it", publishAddressVar, text)
		}
		if !ip.IsUnspecified() { // 0.0.0.0 and :: mean every address, as no address does
			o.Options.PublishAddress = ip
		}
	}
	for _, p := range f.Publish {
		ports, err := slirp.ParsePorts(p)
		if err != nil {
			return usagef("%w", err)
		}
		for i := range ports {
			if !ports[i].HostIP.IsValid() {
				ports[i].HostIP = o.Options.PublishAddress
			}
		}
		o.Ports = append(o.Ports, ports...)
	}
	return nil
}

// egress checks the policy, which the monitor reads again when it connects the container.
func (f *createFlags) egress(o *runner.CreateOptions) error {
	if _, err := slirp.ParseEgress(f.Egress); err != nil {
		return err
	}
	mode := o.Options.Network
	if len(f.Egress) > 0 && (mode == "host" || mode == "none" || strings.HasPrefix(mode, "container:")) {
		return fmt.Errorf("it cannot be enforced with --network %s, where the container has no network of its own: leave one of them out", mode)
	}
	o.Options.Egress = f.Egress
	return nil
}

// image takes the image off the arguments, which with --rootfs are all the command's.
func (f *createFlags) image() (string, error) {
	if f.Rootfs != "" {
		return "", nil
	}
	if len(f.Args) == 0 || f.Args[0] == "" {
		return "", usagef("no image: name one after the flags, alpine for example")
	}
	name := f.Args[0]
	f.Args = f.Args[1:]
	return name, nil
}

// networks reads the flags about networks.
func (f *createFlags) networks() (mode string, wishes []network.Wish, err error) {
	if len(f.Network) == 0 && f.IP+f.IP6+f.MACAddress == "" && len(f.NetworkAlias)+len(f.Link) == 0 {
		return "", nil, nil
	}
	if mode, wishes, err = network.ParseWishes(f.Network); err != nil {
		return "", nil, err
	}
	own := network.Personal{IP: f.IP, IP6: f.IP6, MAC: f.MACAddress, Aliases: f.NetworkAlias, Links: f.Link}
	return mode, wishes, own.Apply(mode, wishes)
}

func (f *createFlags) description() spec.Options {
	return spec.Options{
		Rootfs: f.Rootfs, Args: f.Args, Entrypoint: f.Entrypoint, Workdir: f.Workdir, User: f.User, GroupAdd: f.GroupAdd,
		Env: f.Env, EnvFiles: f.EnvFile, Hostname: f.Hostname, Domainname: f.Domainname,
		TTY: f.TTY, Init: f.Init, ReadOnly: f.ReadOnly, Privileged: f.Privileged,
		Volumes: f.Volume, VolumesFrom: f.VolumesFrom, Mounts: f.Mount, Tmpfs: f.Tmpfs, Devices: f.Device, GPUs: f.GPUs, ShmSize: f.ShmSize,
		CapAdd: f.CapAdd, CapDrop: f.CapDrop, SecurityOpt: f.SecurityOpt, Ulimits: f.Ulimit, Sysctls: f.Sysctl,
		OOMScoreAdj: f.OOMScoreAdj, Limits: f.limits(), CgroupParent: f.CgroupParent,
		PID: f.PID, IPC: f.IPC, UTS: f.UTS, CgroupNS: f.CgroupNS, UserNS: f.UserNS,
		Health: f.health(), Systemd: string(f.Systemd), StopSignal: f.StopSignal, StopTimeout: f.StopTimeout, Restart: f.Restart,
		AddHosts: f.AddHost, DNS: f.DNS, DNSOptions: f.DNSOption, DNSSearch: f.DNSSearch, Expose: f.Expose, PublishAll: f.PublishAll,
		Timeout: f.Timeout, CIDFile: f.CIDFile,
		Labels: f.Label, LabelFiles: f.LabelFile, Annotations: f.Annotation,
	}
}

func (f *createFlags) health() spec.HealthOptions {
	return spec.HealthOptions{
		Cmd: f.HealthCmd, Interval: f.HealthInterval, Timeout: f.HealthTimeout, Retries: f.HealthRetries,
		StartPeriod: f.HealthStartPeriod, StartInterval: f.HealthStartInterval,
		None: f.NoHealthcheck, OnFailure: f.HealthOnFailure,
	}
}

type runCmd struct {
	createFlags
	Detach     bool   `group:"Container" short:"d" help:"Run in the background and print the id."`
	DetachKeys string `group:"Container" default:"${detachKeys}" placeholder:"KEYS" help:"Keys that leave the container running; \"\" for none."`
	SigProxy   bool   `group:"Container" default:"true" negatable:"" help:"Pass signals on to the command."`
}

func (c *runCmd) Run(a *app) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	keys, err := parseDetachKeys(c.DetachKeys)
	if err != nil {
		return err
	}
	attach, err := c.attach()
	if err != nil {
		return err
	}
	o.Options.Attach = streamNames(attach)
	if err := needTerminal(a, c.TTY && attach.Stdin); err != nil {
		return err
	}
	if attach.Any() && c.TTY {
		attach.Size = runner.TerminalSize(a.stdout)
	}
	r, err := c.runner(a, o.Image)
	if err != nil {
		return err
	}
	if err := a.injectDevices(&o.Options); err != nil {
		return err
	}
	early := runner.CatchSignals() // to the end: an id that was printed is no failure
	o.Supervised = supervised() && attach.Any()
	session, err := c.create(r, o, true, attach)
	if err != nil {
		return startError(err)
	}
	defer session.Close()
	a.printNotes(session.Notes)
	if !attach.Any() {
		if err := giveUp(r.Store, session.ID, early); err != nil {
			return err
		}
		a.noteLogout(c.Restart, session.ID)
		a.printf("%s\n", session.ID)
		return nil
	}
	return a.stream(session, streamOptions{
		attach: attach, tty: c.TTY, keys: keys, signals: c.SigProxy && !c.TTY, early: early, begun: true, notify: c.SDNotify,
	})
}

// create makes the container with the session that belongs to it.
func (f *createFlags) create(r *runner.Runner, o runner.CreateOptions, start bool, attach runner.Attach) (*runner.Session, error) {
	if f.CIDFile != "" {
		if _, err := os.Lstat(f.CIDFile); err == nil {
			return nil, fmt.Errorf("--cidfile %s exists already: remove it or name another file", f.CIDFile)
		}
	}
	if f.Pull == "always" && f.Rootfs == "" {
		if err := r.Resolve(o.Image); err != nil {
			return nil, err
		}
	}
	session, err := r.Create(o, start, attach)
	if err == nil && f.CIDFile != "" {
		err = writeCidfile(f.CIDFile, session.ID)
	}
	return session, err
}

// runner returns what makes the container, once there is such an image.
func (f *createFlags) runner(a *app, image string) (*runner.Runner, error) {
	flags := f.resolveFlags()
	if image != "" {
		if err := a.rehearse(inFull, resolveLine(flags, image)); err != nil {
			return nil, err
		}
	}
	return a.runner(flags...)
}

// resolveFlags are for the command that finds the image.
func (f *createFlags) resolveFlags() []string {
	flags := []string{"--pull", f.Pull}
	if f.Platform != "" {
		flags = append(flags, "--platform", f.Platform)
	}
	if f.Quiet {
		flags = append(flags, "--quiet")
	}
	return flags
}

// attach says which streams the command line is connected to.
func (c *runCmd) attach() (runner.Attach, error) {
	if c.Detach {
		if len(c.Attach) > 0 {
			return runner.Attach{}, usagef("-a attaches to the container and -d does not: give one of them")
		}
		return runner.Attach{}, nil
	}
	return c.streams()
}

// streams are those of -a: all but stdin if it is not given.
func (f *createFlags) streams() (runner.Attach, error) {
	a := runner.Attach{Stdin: f.Interactive, Stdout: true, Stderr: true, StdinOnce: true}
	if len(f.Attach) == 0 {
		return a, nil
	}
	a.Stdin, a.Stdout, a.Stderr = false, false, false
	for _, name := range f.Attach {
		switch strings.ToLower(name) {
		case "stdin":
			a.Stdin = true
		case "stdout":
			a.Stdout = true
		case "stderr":
			a.Stderr = true
		default:
			return a, usagef("-a %s: it is stdin, stdout or stderr", name)
		}
	}
	return a, nil
}

// streamNames are the words of -a for streams.
func streamNames(a runner.Attach) []string {
	var list []string
	for _, s := range []struct {
		name string
		on   bool
	}{{"stdin", a.Stdin}, {"stdout", a.Stdout}, {"stderr", a.Stderr}} {
		if s.on {
			list = append(list, s.name)
		}
	}
	return list
}

type createCmd struct{ createFlags }

func (c *createCmd) Run(a *app) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	attach, err := c.streams()
	if err != nil {
		return err
	}
	o.Options.Attach = streamNames(attach)
	r, err := c.runner(a, o.Image)
	if err != nil {
		return err
	}
	if err := a.injectDevices(&o.Options); err != nil {
		return err
	}
	session, err := c.create(r, o, false, runner.Attach{})
	if err != nil {
		return startError(err)
	}
	defer session.Close()
	a.printNotes(session.Notes)
	a.printf("%s\n", session.ID)
	return nil
}

// needTerminal refuses -t where the person has none to offer, as Docker does.
func needTerminal(a *app, wanted bool) error {
	if wanted && !term.IsTerminal(int(a.stdin.Fd())) {
		return &exitError{exitFailed, errors.New("the input device is not a terminal: leave out -t, or give stdin a terminal")}
	}
	return nil
}
