package integration

import (
	"strings"
	"syscall"
	"testing"
)

// reaches reports whether a container can ping another by a name or address.
func (e *Env) reaches(from, to string) bool {
	return e.exitCode("exec", from, "ping", "-c", "1", "-W", "2", to) == 0
}

func TestNetworkConnectAndDisconnect(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		front, back := e.network(t), e.network(t, "--subnet", "10.81.0.0/24")
		web, db := e.sleeper(t, "--network", front), e.sleeper(t, "--network", back)
		if e.reaches(web, db) || e.reaches(web, e.address(t, db, back)) {
			t.Error("networks are not apart")
		}
		e.Want(t, "", "network", "connect", "--ip", "10.81.0.77", "--alias", "shop", back, web)
		if !e.reaches(web, db) || !e.reaches(db, web) || !e.reaches(db, "shop") {
			t.Error("connected containers do not find each other")
		}
		e.Want(t, "10.81.0.77 [shop]", "inspect", "-f", `{{with index .NetworkSettings.Networks "`+back+`"}}{{.IPAddress}} {{.Aliases}}{{end}}`, web)
		e.Want(t, front+","+back, "ps", "-f", "name="+web, "--format", "{{.Networks}}")
		e.Want(t, web, "ps", "-f", "network="+front, "--format", "{{.Names}}")
		if hosts := e.OK(t, "exec", web, "cat", "/etc/hosts"); !strings.Contains(hosts, "10.81.0.77\t") {
			t.Errorf("/etc/hosts: %s", hosts)
		}
		e.OK(t, "exec", web, "sh", "-c", "echo 192.0.2.9 mine >>/etc/hosts")

		// What it had from the start goes, what it got stays, name server included.
		e.Want(t, "", "network", "disconnect", front, web)
		if !e.reaches(web, db) {
			t.Error("after leaving the first network the second does not work")
		}
		e.OK(t, "exec", web, "ip", "route", "get", "192.0.2.1") // the way out is another now
		hosts := e.OK(t, "exec", web, "cat", "/etc/hosts")
		if !strings.Contains(hosts, "192.0.2.9 mine") || strings.Count(hosts, e.OK(t, "exec", web, "hostname")) != 1 {
			t.Errorf("/etc/hosts after leaving: %s", hosts)
		}
		e.OK(t, "restart", "-t", "0", web)
		e.Want(t, "10.81.0.77", "exec", web, "sh", "-c", "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'")

		e.OK(t, "network", "disconnect", back, web)
		e.Want(t, "lo", "exec", web, "ls", "/sys/class/net")
		e.OK(t, "restart", "-t", "0", web)
		e.OK(t, "network", "connect", back, web)
		if !e.reaches(web, db) {
			t.Error("connected after having had no network it reaches nobody")
		}
	})
}

// address is that of a container on a network.
func (e *Env) address(t *testing.T, container, network string) string {
	t.Helper()
	return e.OK(t, "inspect", "-f", `{{(index .NetworkSettings.Networks "`+network+`").IPAddress}}`, container)
}

func TestNetworkConnectStopped(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		net, name := e.network(t), e.Name(t)
		e.OK(t, "create", "--name", name, Image, "sh", "-c", "ls /sys/class/net")
		e.OK(t, "network", "connect", net, name)
		e.Want(t, "eth0\neth1\nlo", "start", "-a", name)
		e.OK(t, "network", "disconnect", "bridge", name)
		e.Want(t, "eth0\nlo", "start", "-a", name)
	})
}

func TestNetworkConnectRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		net := e.network(t, "--subnet", "10.82.0.0/24")
		on, off := e.sleeper(t, "--network", net), e.sleeper(t, "--network", "none")
		before := e.OK(t, "inspect", "-f", "{{json .NetworkSettings.Networks}}", on)
		taken := e.address(t, on, net)
		plain := e.sleeper(t)
		for _, bad := range []struct{ args, says string }{
			{"connect nonsense " + on, "network create"}, {"connect " + net + " nonsense", "no such container"}, {"connect " + net + " " + on, "already"},
			{"connect " + net + " " + off, "--network none"}, {"connect host " + on, "host"}, {"connect a,b " + on, "one name"},
			{"connect --ip 10.83.0.9 " + net + " " + plain, "outside the subnet"}, {"connect --ip 10.82.0.1 " + net + " " + plain, "gateway"},
			{"connect --ip " + taken + " " + net + " " + plain, on}, {"connect --ip nonsense " + net + " " + plain, "IPv4"},
			{"connect --ip6 fd00::9 " + net + " " + plain, "no IPv6"}, {"connect --alias a=b " + net + " " + plain, "alias"},
			{"connect --link nonsense " + net + " " + plain, "nonsense"},
			{"disconnect bridge " + on, "not on network"}, {"disconnect " + net + " nonsense", "no such container"}, {"disconnect " + net, "missing"},
		} {
			r := e.Run(t, append([]string{"network"}, strings.Fields(bad.args)...)...).Says(t, bad.says)
			if r.Code == 0 {
				t.Errorf("%s: accepted", bad.args)
			}
		}
		e.OK(t, "network", "disconnect", "-f", net, "nonsense")
		if after := e.OK(t, "inspect", "-f", "{{json .NetworkSettings.Networks}}", on); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		e.Want(t, "bridge", "ps", "-f", "name="+plain, "--format", "{{.Networks}}")
	})
}

// Published ports are where the way out is.
func TestNetworkPortsMove(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		one, two, closed := e.network(t), e.network(t), e.network(t, "--internal")
		name, _ := e.serve(t, "here", "-p", "127.0.0.1::80", "--network", one+","+closed+","+two)
		port := e.hostPort(t, name)
		listens := func(when string) {
			t.Helper()
			if got, err := hear("127.0.0.1:" + port); got != "here" {
				t.Errorf("%s: heard %q, %v", when, got, err)
			}
		}
		listens("at first")
		e.Want(t, "", "network", "disconnect", one, name)
		listens("on the second network")
		if now := e.hostPort(t, name); now != port {
			t.Errorf("the port was %s and is %s", port, now)
		}
		pid := e.networkProcess(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		WaitGone(t, pid)
		listens("after the network process was killed")
		e.Run(t, "network", "disconnect", two, name).Exits(t, 0).Says(t, "no port", name)
		e.Want(t, "", "port", name)
		e.OK(t, "network", "connect", one, name)
		port = e.hostPort(t, name)
		listens("connected again")
	})
}
