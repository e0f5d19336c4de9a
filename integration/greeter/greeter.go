// Command greeter answers every connection to a TCP port, and every datagram
// to the UDP port of the same number, with the address that it sees the asker
// at. The tests run it in containers: the netcats of the images that they may
// have differ.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if err := greet(":" + os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func greet(address string) error {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go greetSenders(packets)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(conn, conn.RemoteAddr().(*net.TCPAddr).IP)
		conn.Close()
	}
}

func greetSenders(packets net.PacketConn) {
	b := make([]byte, 1)
	for {
		_, from, err := packets.ReadFrom(b)
		if err != nil {
			return
		}
		packets.WriteTo([]byte(from.(*net.UDPAddr).IP.String()), from)
	}
}
