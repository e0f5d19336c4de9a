// Command greeter is both sides of a conversation that the tests have with
// containers: the netcats of the images that they may have differ.
//
//	greeter PORT         answers every connection to a TCP port, and every datagram
//	                     to the UDP port of that number, with the address that
//	                     it sees the asker at
//	greeter ask ADDRESS  says something to a TCP port and prints the answer
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	var err error
	if os.Args[1] == "ask" {
		err = ask(os.Args[2])
	} else {
		err = greet(":" + os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(conn, "hello")
	_, err = io.Copy(os.Stdout, conn)
	return err
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
