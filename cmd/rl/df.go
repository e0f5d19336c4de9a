package main

var dfCommands = []command{
	{
		name: "system df", group: groupSystem, where: inFull,
		summary: "Show how much space images, containers and volumes take", usage: "[flags]",
		examples: []string{"rl system df", "rl system df -v"},
		new:      func() any { return new(systemDfCmd) },
	},
}

// systemDfCmd counts files of mapped ids and looks into the image store.
type systemDfCmd struct {
	Format  string `placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.Type}} {{.Size}}'."`
	Verbose bool   `short:"v" help:"Show each image, container and volume."`
}
