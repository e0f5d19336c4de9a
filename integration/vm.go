package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// vmPatience is how long the machine may take to start. It is emulated: 25
// seconds when nothing else runs.
const vmPatience = 10 * time.Minute

// VM is a running virtual machine: Debian 12 with systemd and a user
// `tester`, the program under test as /usr/local/bin/rl, a root file system in
// /srv/rootfs.tar, and one with an init system on its third disk. What it writes is gone when it is stopped.
type VM struct {
	dir   string // keys, second disk, sockets
	cmd   *exec.Cmd
	keys  vmKeys
	port  int
	ready chan struct{} // one for each start of the system inside
	off   chan struct{} // closed when the emulator has ended
	log   *capture
}

// StartVM makes the image if need be, starts the machine and waits for it.
func StartVM() (*VM, error) {
	image, err := vmImage()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rl-vm-")
	if err != nil {
		return nil, err
	}
	vm := &VM{dir: dir, ready: make(chan struct{}, 16), off: make(chan struct{}), log: newCapture()}
	if err := vm.start(image); err != nil {
		vm.Stop()
		return nil, fmt.Errorf("start the virtual machine: %w", err)
	}
	return vm, nil
}

func (vm *VM) start(image string) error {
	var err error
	if vm.keys, err = newVMKeys(); err != nil {
		return err
	}
	payload := filepath.Join(vm.dir, "payload.tar")
	if err := writeVMPayload(payload, vm.keys); err != nil {
		return err
	}
	debian, err := debianArchive(bootPackages, tidySetup)
	if err != nil {
		return err
	}
	if vm.port, err = freePort(); err != nil {
		return err
	}
	vm.cmd = exec.Command("qemu-system-x86_64", vm.args(image, payload, debian)...)
	vm.cmd.Stderr = vm.log
	if err := vm.power(); err != nil {
		return err
	}
	return vm.waitReady()
}

// power starts the emulator, which must not outlive the tests, however they
// end. The kernel ties its life to the thread that started it, so that one
// thread stays until it has ended.
func (vm *VM) power() error {
	vm.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	console, err := vm.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := vm.cmd.Start()
		started <- err
		if err == nil {
			vm.listen(console)
			vm.cmd.Wait()
			close(vm.off)
		}
	}()
	return <-started
}

func (vm *VM) args(image, payload, debian string) []string {
	accel := os.Getenv("RL_VM_ACCEL") // kvm, where it works
	if accel == "" {
		// One thread for both CPUs: before version 8.1 qemu may translate kernel code that another
		// CPU is just patching, and that machine stands still in a breakpoint which is gone.
		accel = "tcg,thread=single"
	}
	return []string{"-machine", "q35", "-accel", accel, "-cpu", "max", "-smp", "2", "-m", "2048", "-nodefaults",
		"-display", "none", "-serial", "stdio", "-qmp", "unix:" + vm.qmp() + ",server=on,wait=off",
		"-kernel", filepath.Join(image, "vmlinuz"), "-initrd", filepath.Join(image, "initrd.img"),
		// A kernel that looks whether the timer ticks finds that it does not when this machine is busy
		// at that moment, and goes on without it.
		"-append", "console=ttyS0 root=/dev/vda rw quiet no_timer_check",
		"-drive", "format=raw,if=virtio,snapshot=on,file=" + filepath.Join(image, "root.img"),
		"-drive", "format=raw,if=virtio,readonly=on,file=" + payload,
		"-drive", "format=raw,if=virtio,readonly=on,file=" + debian,
		"-netdev", fmt.Sprintf("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:%d-:22", vm.port),
		"-device", "virtio-net-pci,netdev=net"}
}

func (vm *VM) qmp() string { return filepath.Join(vm.dir, "qmp") }

// freePort is a port nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// listen reads the console until the machine is off.
func (vm *VM) listen(console io.Reader) {
	lines := bufio.NewScanner(console)
	for lines.Scan() {
		fmt.Fprintln(vm.log, lines.Text())
		if strings.Contains(lines.Text(), vmReady) {
			vm.ready <- struct{}{}
		}
	}
}

func (vm *VM) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), vmPatience)
	defer cancel()
	select {
	case <-vm.ready:
		return nil
	case <-vm.off:
		return errors.New("it went off; console:\n" + vm.log.String())
	case <-ctx.Done():
		return errors.New("it is not ready in time; console:\n" + vm.log.String())
	}
}

// Stop switches the machine off and removes what it wrote.
func (vm *VM) Stop() error {
	if vm.cmd != nil && vm.cmd.Process != nil {
		vm.cmd.Process.Kill()
		<-vm.off
	}
	return os.RemoveAll(vm.dir)
}

// CutPower resets the machine without telling the system inside, whose
// unwritten files are lost, and waits until it is up again.
func (vm *VM) CutPower() error {
	conn, err := net.Dial("unix", vm.qmp())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, `{"execute":"qmp_capabilities"}{"execute":"system_reset"}`)
	if err != nil {
		return err
	}
	return vm.waitReady()
}

// Reboot has the system inside stop everything in order and start again.
func (vm *VM) Reboot() error {
	root, err := vm.Login("root")
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Do("systemctl reboot"); err != nil && !errors.Is(err, errDisconnected) {
		return err
	}
	return vm.waitReady()
}

// Console is what the machine has printed on its console.
func (vm *VM) Console() string { return vm.log.String() }

func (vm *VM) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(vm.port)) }
