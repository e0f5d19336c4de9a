package main

// imageCommands work on images; they run inside the user namespace, in the
// program that links containers/storage and containers/image.
var imageCommands = []command{
	{
		name: "pull", aliases: []string{"image pull"}, group: groupImages, where: inFull,
		summary: "Download an image from a registry", usage: "[flags] NAME[:TAG|@DIGEST]",
		examples: []string{"rl pull alpine", "rl pull --platform linux/arm64 quay.io/fedora/fedora:42"},
		new:      func() any { return new(pullCmd) },
	},
	{
		name: "images", aliases: []string{"image ls", "image list"}, group: groupImages,
		summary: "List images", usage: "[flags] [REPOSITORY[:TAG]]",
		examples: []string{"rl images", "rl images --filter dangling=true -q"},
		new:      func() any { return new(imagesCmd) },
	},
	{
		name: "rmi", aliases: []string{"image rm", "image remove"}, group: groupImages, where: inFull,
		summary: "Remove images", usage: "[flags] IMAGE [IMAGE...]",
		examples: []string{"rl rmi alpine:3.19", "rl rmi $(rl images -q --filter dangling=true)"},
		new:      func() any { return new(rmiCmd) },
	},
	{
		name: "tag", aliases: []string{"image tag"}, group: groupImages, where: inFull,
		summary: "Give an image another name", usage: "IMAGE NAME[:TAG]",
		examples: []string{"rl tag alpine registry.example.org/base:1", "rl tag 91ef0af61f39 mine"},
		new:      func() any { return new(tagCmd) },
	},
	{
		name: "load", aliases: []string{"image load"}, group: groupImages,
		summary: "Store the images of an archive", usage: "[flags]",
		examples: []string{"rl load -i images.tar.zst", "ssh host docker save alpine | rl load"},
		new:      func() any { return new(loadCmd) },
	},
	{
		name: "save", aliases: []string{"image save"}, group: groupImages,
		summary: "Write images as one archive", usage: "[flags] IMAGE [IMAGE...]",
		examples: []string{"rl save -o images.tar alpine debian", "rl save alpine | zstd >alpine.tar.zst"},
		new:      func() any { return new(saveCmd) },
	},
	{
		name: "import", aliases: []string{"image import"}, group: groupImages,
		summary: "Make an image of a root file system", usage: "[flags] FILE|URL|- [NAME[:TAG]]",
		examples: []string{"rl import rootfs.tar.gz mine", `mmdebstrap bookworm - | rl import -c 'CMD ["bash"]' - debian:mine`},
		new:      func() any { return new(importCmd) },
	},
	{
		name: "image inspect", group: groupImages, where: inFull,
		summary: "Show everything about images", usage: "[flags] IMAGE [IMAGE...]",
		examples: []string{"rl image inspect alpine", "rl image inspect -f '{{.Config.Cmd}}' alpine"},
		new:      func() any { return new(imageInspectCmd) },
	},
	{
		name: "resolve", where: inFull,
		summary: "Write down what starting a container of an image needs", usage: "[flags] IMAGE",
		new: func() any { return new(resolveCmd) },
	},
}

type pullCmd struct {
	All      bool   `name:"all-tags" short:"a" help:"Download every tag of the repository."`
	Platform string `placeholder:"OS/ARCH" help:"Take the image for this platform, such as linux/arm64."`
	Quiet    bool   `short:"q" help:"Print only the complete name."`
	Image    string `arg:""`
}

type imagesCmd struct {
	All     bool     `short:"a" help:"As without it: rl stores no intermediate images."`
	Digests bool     `help:"Show digests."`
	Filter  []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only images with this: dangling, label, reference, before, since."`
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
	Output string   `short:"o" placeholder:"FILE" help:"Write to this file instead of standard output."`
	Format string   `default:"docker-archive" placeholder:"FORMAT" help:"docker-archive or oci-archive."`
	Images []string `arg:""`
}

type importCmd struct {
	Change   []string `short:"c" sep:"none" placeholder:"INSTRUCTION" help:"Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR."`
	Message  string   `short:"m" placeholder:"TEXT" help:"A comment for the image's history."`
	Platform string   `placeholder:"OS/ARCH" help:"The platform of the programs in it."`
	Source   string   `arg:""`
	Name     string   `arg:"" optional:""`
}

type imageInspectCmd struct {
	Format string   `short:"f" placeholder:"FORMAT" help:"json, or a Go template."`
	Images []string `arg:""`
}

// resolveCmd is for `run`: what it prints goes to standard error.
type resolveCmd struct {
	Pull     string `enum:"missing,always,never" default:"missing"`
	Platform string
	Quiet    bool   `short:"q"`
	Image    string `arg:""`
}
