package main

// imageCommands work on images; they run inside the user namespace, in the
// program that links containers/storage and containers/image.
var imageCommands = []command{
	{
		name: "pull", aliases: []string{"image pull"}, group: groupImages, makes: true, rehearsed: true, where: inFull,
		summary: "Download an image from a registry", usage: "[flags] NAME[:TAG|@DIGEST]",
		examples: []string{"rl pull alpine", "rl pull --platform linux/arm64 quay.io/fedora/fedora:42"},
		new:      func() any { return new(pullCmd) },
	},
	{
		name: "push", aliases: []string{"image push"}, group: groupImages, where: inFull,
		summary: "Upload an image to a registry", usage: "[flags] NAME[:TAG]",
		examples: []string{"rl push registry.example.org/team/app:1", "rl push -a localhost:5000/app"},
		new:      func() any { return new(pushCmd) },
	},
	{
		name: "search", group: groupImages, where: inFull,
		summary: "Search a registry for images", usage: "[flags] [REGISTRY/]TERM",
		examples: []string{"rl search --filter is-official=true nginx", "rl search localhost:5000/app"},
		new:      func() any { return new(searchCmd) },
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
		name: "tag", aliases: []string{"image tag"}, group: groupImages, makes: true, rehearsed: true, where: inFull,
		summary: "Give an image another name", usage: "IMAGE NAME[:TAG]",
		examples: []string{"rl tag alpine registry.example.org/base:1", "rl tag 91ef0af61f39 mine"},
		new:      func() any { return new(tagCmd) },
	},
	{
		name: "history", aliases: []string{"image history"}, group: groupImages, where: inFull,
		summary: "Show how an image came to be", usage: "[flags] IMAGE",
		examples: []string{"rl history alpine", "rl history --no-trunc --format '{{.CreatedBy}}' alpine"},
		new:      func() any { return new(historyCmd) },
	},
	{
		name: "image prune", group: groupImages,
		summary: "Remove the images that nothing needs", usage: "[flags]",
		examples: []string{"rl image prune", "rl image prune -a -f --filter until=720h"},
		new:      func() any { return new(imagePruneCmd) },
	},
	{
		name: "load", aliases: []string{"image load"}, group: groupImages, makes: true,
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
		name: "import", aliases: []string{"image import"}, group: groupImages, makes: true,
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
		name: "resolve", where: inFull, makes: true,
		summary: "Write down what starting a container of an image needs", usage: "[flags] IMAGE",
		new: func() any { return new(resolveCmd) },
	},
}
