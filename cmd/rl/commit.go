package main

var commitCommands = []command{
	{
		name: "commit", aliases: []string{"container commit"}, group: groupImages, makes: true, rehearsed: true, where: inFull,
		summary: "Make an image of a container's files", usage: "[flags] CONTAINER [NAME[:TAG]]",
		examples: []string{"rl commit web web:patched", `rl commit -c 'CMD ["nginx"]' -m patched web site`},
		new:      func() any { return new(commitCmd) },
	},
}

type commitCmd struct {
	Author    string   `short:"a" placeholder:"NAME" help:"Who made the image."`
	Change    []string `short:"c" sep:"none" placeholder:"INSTRUCTION" help:"Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR."`
	Message   string   `short:"m" placeholder:"TEXT" help:"A comment for the image's history."`
	Pause     bool     `short:"p" default:"true" negatable:"" help:"Pause the container meanwhile."`
	Container string   `arg:"" name:"container"`
	Name      string   `arg:"" optional:""`
}
