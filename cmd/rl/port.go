package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/slirp"
)

type portCmd struct {
	Container string `arg:""`
	Port      string `arg:"" optional:""`
}

func (c *portCmd) Run(a *app) error {
	_, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	wanted := c.Port
	if wanted != "" && !strings.Contains(wanted, "/") {
		wanted += "/tcp"
	}
	found := false
	for _, p := range docker.Published(v) {
		name := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		switch {
		case wanted == "":
			a.printf("%s -> %s\n", name, hostAddress(p))
		case wanted == name:
			a.printf("%s\n", hostAddress(p))
			found = true
		}
	}
	if wanted != "" && !found {
		return fmt.Errorf("port %s of %s is not published", wanted, v.Name)
	}
	return nil
}

// hostAddress is where the host listens for a port.
func hostAddress(p slirp.PortMapping) string {
	ip := "0.0.0.0"
	if p.HostIP.IsValid() {
		ip = p.HostIP.String()
	}
	return net.JoinHostPort(ip, strconv.Itoa(int(p.Host)))
}
