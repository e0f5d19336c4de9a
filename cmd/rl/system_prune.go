package main

var systemPruneCommands = []command{
	{
		name: "system prune", group: groupSystem, where: inFull,
		summary: "Remove unused containers, networks, images and build cache", usage: "[flags]",
		examples: []string{"rl system prune", "rl system prune -af --volumes --filter until=24h"},
		new:      func() any { return new(systemPruneCmd) },
	},
}

type systemPruneCmd struct {
	All     bool     `short:"a" help:"Remove all images that no container uses, not only those without a name."`
	Volumes bool     `help:"Remove anonymous volumes that no container uses, too."`
	Force   bool     `short:"f" help:"Do not ask."`
	Filter  []string `sep:"none" placeholder:"KEY=VALUE" help:"Only what has this: label, label!, until (made before that time)."`
}
