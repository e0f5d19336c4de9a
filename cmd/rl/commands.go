package main

// Headings of `rl --help`, in the order they are printed.
const (
	groupRun      = "Run containers"
	groupLook     = "Look at containers"
	groupImages   = "Images"
	groupVolumes  = "Volumes"
	groupNetworks = "Networks"
	groupSystem   = "System"
	groupServices = "Services"
)

// commands is the command table. Each group's file adds its own rows.
var commands = concat(
	containerCommands,
	controlCommands,
	filesCommands,
	lookCommands,
	logsCommands,
	imageCommands,
	buildCommands,
	volumeCommands,
	networkCommands,
	pruneCommands,
	dfCommands,
	resetCommands,
	systemPruneCommands,
	commitCommands,
	loginCommands,
	systemCommands,
	eventCommands,
	checkCommands,
	systemdCommands,
	kubeCommands,
	hiddenCommands,
)

func concat(groups ...[]command) []command {
	var all []command
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
