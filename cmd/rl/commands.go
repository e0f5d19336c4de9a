package main

// Headings of `rl --help`, in the order they are printed.
const (
	groupRun      = "Run containers"
	groupLook     = "Look at containers"
	groupImages   = "Images"
	groupVolumes  = "Volumes"
	groupNetworks = "Networks"
	groupServices = "Services"
	groupSystem   = "System"
)

// commands is the command table, in the order of `rl --help`. Each group's file adds
// its own rows.
var commands = concat(
	containerCommands,
	controlCommands,
	lookCommands,
	logsCommands,
	filesCommands,
	pruneCommands,
	buildCommands,
	imageCommands,
	commitCommands,
	builderCommands,
	loginCommands,
	volumeCommands,
	networkCommands,
	systemdCommands,
	kubeCommands,
	checkCommands,
	systemCommands,
	eventCommands,
	dfCommands,
	systemPruneCommands,
	resetCommands,
	hiddenCommands,
)

func concat(groups ...[]command) []command {
	var all []command
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
