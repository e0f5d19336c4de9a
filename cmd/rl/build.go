package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var buildCommands = []command{
	{
		name: "build", aliases: []string{"image build", "builder build", "buildx build"}, group: groupImages, makes: true, rehearsed: true, where: inFull,
		summary: "Make an image from a Dockerfile", usage: "[flags] FOLDER|URL|-",
		examples: []string{"rl build -t app .", "rl build -t app --target test --build-arg VERSION=1.2 ."},
		new:      func() any { return new(buildCmd) },
	},
}

var builderCommands = []command{
	{
		name: "builder prune", aliases: []string{"buildx prune"}, group: groupImages, where: inFull,
		summary: "Remove the results of build steps", usage: "[flags]",
		examples: []string{"rl builder prune", "rl builder prune -f --filter until=24h"},
		new:      func() any { return new(builderPruneCmd) },
	},
}

type builderPruneCmd struct {
	All         bool     `short:"a" help:"As without it: rl keeps no other kind of cache."`
	Filter      []string `sep:"none" placeholder:"KEY=VALUE" help:"Only results with this: until (used last before that time)."`
	Force       bool     `short:"f" help:"Do not ask."`
	KeepStorage string   `placeholder:"SIZE" help:"Leave what was used last, up to this size."`
}

type buildCmd struct {
	File         string   `group:"Source" short:"f" placeholder:"FILE" help:"The Dockerfile, FOLDER/Dockerfile unless given; - for standard input."`
	Target       string   `group:"Source" placeholder:"STAGE" help:"Build this stage instead of the last."`
	BuildArg     []string `group:"Source" sep:"none" placeholder:"NAME[=VALUE]" help:"Give an ARG this value, or that of the variable of its name."`
	BuildContext []string `group:"Source" sep:"none" placeholder:"NAME=FOLDER|URL|docker-image://IMAGE" help:"Further files for FROM and --from, under this name."`
	Platform     string   `group:"Source" placeholder:"OS/ARCH" help:"Build for this platform."`
	Pull         bool     `group:"Source" help:"Ask the registry for newer base images."`

	Tag          []string `group:"Result" short:"t" sep:"none" placeholder:"NAME[:TAG]" help:"Name the image."`
	Label        []string `group:"Result" sep:"none" placeholder:"KEY=VALUE" help:"Add a label to the image."`
	Annotation   []string `group:"Result" sep:"none" placeholder:"KEY=VALUE" help:"Add an annotation to the image's manifest."`
	Output       []string `group:"Result" short:"o" sep:"none" placeholder:"FOLDER|-|type=KIND,dest=PATH" help:"Write the result elsewhere: the files (local, tar) or the image (oci, docker)."`
	Squash       bool     `group:"Result" help:"Make one layer of those that the build adds."`
	Iidfile      string   `group:"Result" name:"iidfile" placeholder:"FILE" help:"Write the image's id into this file."`
	MetadataFile string   `group:"Result" placeholder:"FILE" help:"Write what was built into this file, as JSON."`

	NoCache       bool     `group:"Cache" help:"Execute every step, even one whose result is known."`
	NoCacheFilter []string `group:"Cache" placeholder:"STAGE" help:"Execute every step of these stages."`
	CacheFrom     []string `group:"Cache" sep:"none" placeholder:"type=registry,ref=NAME|type=local,src=FOLDER" help:"Take results of steps from here, too."`
	CacheTo       []string `group:"Cache" sep:"none" placeholder:"type=registry,ref=NAME|type=local,dest=FOLDER[,mode=max]" help:"Leave the results of the image's steps here, with mode=max those of all stages."`

	Secret      []string `group:"RUN" sep:"none" placeholder:"id=ID[,src=FILE|,env=NAME]" help:"Let RUN --mount=type=secret have this file or variable."`
	SSH         []string `group:"RUN" name:"ssh" sep:"none" placeholder:"ID[=SOCKET|KEY[,KEY]]" help:"Let RUN --mount=type=ssh use an SSH agent or keys; default is the running agent."`
	Allow       []string `group:"RUN" placeholder:"RIGHT" help:"Let RUN ask for this: network.host, security.insecure, device or device=NAME."`
	Network     string   `group:"RUN" default:"default" placeholder:"MODE" help:"The network of RUN: default, none or host."`
	AddHost     []string `group:"RUN" sep:"none" placeholder:"NAME:IP" help:"Add a line to /etc/hosts of RUN."`
	SecurityOpt []string `group:"RUN" sep:"none" placeholder:"OPTION" help:"For RUN: no-new-privileges, seccomp=FILE|unconfined, ..., as of 'rl run'."`
	Debug       bool     `group:"RUN" help:"Open a shell in a RUN that fails."`

	Memory       string   `group:"Limits" short:"m" placeholder:"SIZE" help:"Limit the memory of RUN."`
	MemorySwap   string   `group:"Limits" placeholder:"SIZE" help:"Limit memory and swap together; -1 for no limit on swap."`
	CPUShares    int64    `group:"Limits" name:"cpu-shares" short:"c" placeholder:"N" help:"The weight of RUN's processes among others."`
	CPUPeriod    int64    `group:"Limits" name:"cpu-period" placeholder:"MICROSECONDS" help:"The period that --cpu-quota is for."`
	CPUQuota     int64    `group:"Limits" name:"cpu-quota" placeholder:"MICROSECONDS" help:"How long processes may compute in each period."`
	CPUSetCPUs   string   `group:"Limits" name:"cpuset-cpus" placeholder:"LIST" help:"The processors to use, such as 0-3,5."`
	CPUSetMems   string   `group:"Limits" name:"cpuset-mems" placeholder:"LIST" help:"The memory nodes to use."`
	CgroupParent string   `group:"Limits" placeholder:"GROUP" help:"Control group of RUN: a slice of systemd's, or a path below what is delegated."`
	ShmSize      string   `group:"Limits" placeholder:"SIZE" help:"The size of /dev/shm of RUN."`
	Ulimit       []string `group:"Limits" sep:"none" placeholder:"NAME=SOFT[:HARD]" help:"Set a limit of the processes of RUN."`

	Progress string `group:"Progress" default:"auto" enum:"auto,plain,quiet,rawjson,tty" placeholder:"KIND" help:"How to show progress: auto, plain, quiet, rawjson or tty."`
	Quiet    bool   `group:"Progress" short:"q" help:"Print only the image's id."`

	Check bool   `group:"Instead of building" help:"Check the Dockerfile instead of building: as --call check."`
	Call  string `group:"Instead of building" default:"build" placeholder:"KIND[,format=json]" help:"Do not build: check the Dockerfile, or list its arguments (outline) or stages (targets)."`

	Compress bool `group:"Accepted for Docker's sake" help:"As without it: rl sends the context nowhere."`
	ForceRM  bool `group:"Accepted for Docker's sake" name:"force-rm" help:"As without it: steps run in no containers that are kept."`
	RM       bool `group:"Accepted for Docker's sake" name:"rm" default:"true" negatable:"" help:"As without it: steps run in no containers that are kept."`

	Context string `arg:""`
}

// lends are the files and folders that a build reads or writes.
func (c *buildCmd) lends() []string {
	paths := append([]string{c.Context}, c.outputPlaces()...)
	paths = append(paths, c.cacheFolders()...)
	if c.File != "" && c.File != "-" {
		paths = append(paths, filepath.Dir(c.File))
	}
	for _, file := range []string{c.Iidfile, c.MetadataFile} {
		if file != "" {
			paths = append(paths, outputKey(file))
		}
	}
	for _, text := range c.Secret {
		for field := range strings.SplitSeq(text, ",") {
			key, value, _ := strings.Cut(field, "=")
			if key == "src" || key == "source" || key == "id" && !strings.Contains(text, "src=") {
				paths = append(paths, value)
			}
		}
	}
	for _, text := range c.SSH {
		if _, files, given := strings.Cut(text, "="); given {
			paths = append(paths, strings.Split(files, ",")...)
		} else if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
			paths = append(paths, socket)
		}
	}
	if len(c.SSH) > 0 {
		paths = append(paths, knownHosts())
	}
	for _, option := range c.SecurityOpt {
		if key, profile, _ := strings.Cut(strings.Replace(option, ":", "=", 1), "="); key == "seccomp" {
			paths = append(paths, profile)
		}
	}
	for _, text := range c.BuildContext {
		_, where, _ := strings.Cut(text, "=")
		paths = append(paths, strings.TrimPrefix(where, "oci-layout://"))
	}
	if config := personsConfig(); config != "" {
		if _, err := os.Stat(filepath.Join(config, "cdi")); err == nil {
			paths = append(paths, config)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// knownHosts is the person's list of the keys of SSH servers.
func knownHosts() string { return filepath.Join(os.Getenv("HOME"), ".ssh", "known_hosts") }

// confines is where the control groups of RUN go, and whether flags ask for any.
func (c *buildCmd) confines() (parent string, asked bool) {
	words := cmp.Or(c.CgroupParent, c.Memory, c.MemorySwap, c.CPUSetCPUs, c.CPUSetMems)
	return c.CgroupParent, words != "" || cmp.Or(c.CPUShares, c.CPUPeriod, c.CPUQuota) != 0
}
