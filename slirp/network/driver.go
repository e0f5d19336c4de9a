package network

// WhyNot says why there is no network of a kind that Docker has, and what to do
// instead. It is empty for other words.
func WhyNot(driver string) string {
	switch driver {
	case "macvlan", "ipvlan":
		return "it adds addresses to an interface of the host, which only root may; publish ports with -p, or give a container the host's own network with --network host"
	case "overlay":
		return "it spans several machines, which takes root on each and a cluster; publish ports with -p, or move to Kubernetes ('rl kube generate')"
	}
	return ""
}
