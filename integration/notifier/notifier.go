// Command notifier tells whoever supervises it that it is ready (sd_notify(3)),
// says so, and stays until it is asked to end: systemd looks at the process that
// told it, and passes over one that is gone. The tests run it in a container.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	ask := make(chan os.Signal, 1)
	signal.Notify(ask, unix.SIGTERM)
	if err := notify(os.Getenv("NOTIFY_SOCKET"), "READY=1\nSTATUS=the container says so"); err != nil {
		fmt.Fprintln(os.Stderr, "notifier:", err)
		os.Exit(1)
	}
	fmt.Println("told")
	<-ask
}

func notify(socket, message string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}
