package main

type pullCmd struct {
	All      bool   `name:"all-tags" short:"a" help:"Download every tag of the repository."`
	Platform string `placeholder:"OS/ARCH" help:"Take the image for this platform, such as linux/arm64."`
	Quiet    bool   `short:"q" help:"Print only the complete name."`
	Image    string `arg:""`
}

type pushCmd struct {
	All      bool   `name:"all-tags" short:"a" help:"Upload every tag of the repository that is stored."`
	Platform string `placeholder:"OS/ARCH" help:"Upload the image for this platform."`
	Quiet    bool   `short:"q" help:"Print only the complete name."`
	Image    string `arg:""`
}

type searchCmd struct {
	Filter  []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only repositories with this: stars=NUMBER, is-official=true, is-automated=true."`
	Format  string   `placeholder:"FORMAT" help:"table, json, or a Go template."`
	Limit   int      `default:"25" placeholder:"NUMBER" help:"How many results, 1 to 100."`
	NoTrunc bool     `help:"Show whole descriptions."`
	Term    string   `arg:""`
}

type historyCmd struct {
	Format   string `placeholder:"FORMAT" help:"table, json, or a Go template."`
	Human    bool   `short:"H" default:"true" negatable:"" help:"Show sizes and times for people to read."`
	NoTrunc  bool   `help:"Show whole ids and commands."`
	Platform string `placeholder:"OS/ARCH" help:"Show the image for this platform."`
	Quiet    bool   `short:"q" help:"Print only ids."`
	Image    string `arg:""`
}

type imagePruneCmd struct {
	All    bool     `short:"a" help:"Remove all images that no container uses, not only those without a name."`
	Filter []string `sep:"none" placeholder:"KEY=VALUE" help:"Only images with this: until=24h, label=KEY, label!=KEY=VALUE, dangling."`
	Force  bool     `short:"f" help:"Do not ask."`
}

type imagesCmd struct {
	All     bool     `short:"a" help:"As without it: rl stores no intermediate images."`
	Digests bool     `help:"Show digests."`
	Filter  []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only images with this: dangling, label, reference, before, since, until."`
	Format  string   `placeholder:"FORMAT" help:"table, json, or a Go template."`
	NoTrunc bool     `help:"Show whole ids."`
	Quiet   bool     `short:"q" help:"Print only ids."`
	Name    string   `arg:"" optional:""`
}

type rmiCmd struct {
	Force   bool     `short:"f" help:"Remove all names of the image; take the name from an image in use."`
	NoPrune bool     `help:"As without it: rl stores no untagged parents."`
	Images  []string `arg:""`
}

type tagCmd struct {
	Image string `arg:""`
	Name  string `arg:""`
}

type loadCmd struct {
	Input    string `short:"i" placeholder:"FILE" help:"Read this archive, or folder in the OCI layout, instead of standard input."`
	Platform string `placeholder:"OS/ARCH" help:"Take the images for this platform."`
	Quiet    bool   `short:"q" help:"Show no progress."`
}

type saveCmd struct {
	Output   string   `short:"o" placeholder:"FILE" help:"Write to this file instead of standard output."`
	Format   string   `default:"docker-archive" placeholder:"FORMAT" help:"docker-archive or oci-archive."`
	Platform string   `placeholder:"OS/ARCH" help:"Take the images for this platform."`
	Images   []string `arg:""`
}

type importCmd struct {
	Change   []string `short:"c" sep:"none" placeholder:"INSTRUCTION" help:"Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR."`
	Message  string   `short:"m" placeholder:"TEXT" help:"A comment for the image's history."`
	Platform string   `placeholder:"OS/ARCH" help:"The platform of the programs in it."`
	Source   string   `arg:""`
	Name     string   `arg:"" optional:""`
}

type imageInspectCmd struct {
	Format   string   `short:"f" placeholder:"FORMAT" help:"json, or a Go template."`
	Platform string   `placeholder:"OS/ARCH" help:"Show the images for this platform."`
	Images   []string `arg:""`
}

// resolveCmd is for `run`: what it prints goes to standard error.
type resolveCmd struct {
	Pull     string `enum:"missing,always,never" default:"missing"`
	Platform string
	Quiet    bool   `short:"q"`
	Image    string `arg:""`
}
