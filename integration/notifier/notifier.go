// Command notifier tells whoever supervises it that it is ready (sd_notify(3)).
// The tests run it in a container.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if err := notify(os.Getenv("NOTIFY_SOCKET"), "READY=1\nSTATUS=the container says so"); err != nil {
		fmt.Fprintln(os.Stderr, "notifier:", err)
		os.Exit(1)
	}
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
