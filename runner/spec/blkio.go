package spec

import (
	"fmt"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func (l Limits) blkio(r *specs.LinuxResources, _ int) error {
	b := &specs.LinuxBlockIO{}
	if w := l.BlkioWeight; w != 0 {
		if w < minBlkioWeigh || w > maxBlkioWeigh {
			return fmt.Errorf("--blkio-weight %d: must be between 10 and 1000", w)
		}
		b.Weight = &w
	}
	if err := l.weightDevices(b); err != nil {
		return err
	}
	if err := l.throttles(b); err != nil {
		return err
	}
	if b.Weight != nil || len(b.WeightDevice)+len(b.ThrottleReadBpsDevice)+len(b.ThrottleWriteBpsDevice)+
		len(b.ThrottleReadIOPSDevice)+len(b.ThrottleWriteIOPSDevice) > 0 {
		r.BlockIO = b
	}
	return nil
}

func (l Limits) weightDevices(b *specs.LinuxBlockIO) error {
	for _, s := range l.BlkioWeightDevice {
		dev, value, err := cutDevice("--blkio-weight-device", s)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n < minBlkioWeigh || n > maxBlkioWeigh {
			return fmt.Errorf("--blkio-weight-device %q: the weight must be between 10 and 1000", s)
		}
		major, minor, err := blockDevice("--blkio-weight-device", dev)
		if err != nil {
			return err
		}
		w := uint16(n)
		d := specs.LinuxWeightDevice{Weight: &w}
		d.Major, d.Minor = major, minor
		b.WeightDevice = append(b.WeightDevice, d)
	}
	return nil
}

func (l Limits) throttles(b *specs.LinuxBlockIO) error {
	for _, t := range []struct {
		flag  string
		words []string
		parse func(string) (uint64, error)
		out   *[]specs.LinuxThrottleDevice
	}{
		{"--device-read-bps", l.DeviceReadBps, parseRate, &b.ThrottleReadBpsDevice},
		{"--device-write-bps", l.DeviceWriteBps, parseRate, &b.ThrottleWriteBpsDevice},
		{"--device-read-iops", l.DeviceReadIOps, parseCount, &b.ThrottleReadIOPSDevice},
		{"--device-write-iops", l.DeviceWriteIOps, parseCount, &b.ThrottleWriteIOPSDevice},
	} {
		for _, s := range t.words {
			d, err := throttle(t.flag, s, t.parse)
			if err != nil {
				return err
			}
			*t.out = append(*t.out, d)
		}
	}
	return nil
}

func throttle(flag, s string, parse func(string) (uint64, error)) (d specs.LinuxThrottleDevice, err error) {
	dev, value, err := cutDevice(flag, s)
	if err != nil {
		return d, err
	}
	if d.Rate, err = parse(value); err != nil {
		return d, fmt.Errorf("%s %q: %w", flag, s, err)
	}
	d.Major, d.Minor, err = blockDevice(flag, dev)
	return d, err
}

func cutDevice(flag, s string) (dev, value string, err error) {
	dev, value, found := strings.Cut(s, ":")
	if !found || !strings.HasPrefix(dev, "/dev/") || value == "" {
		return "", "", fmt.Errorf("%s %q: write /dev/NAME:VALUE", flag, s)
	}
	return dev, value, nil
}

func parseRate(s string) (uint64, error) {
	n, err := units.RAMInBytes(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the rate is bytes for each second, or a number with k, m or g")
	}
	return uint64(n), nil
}

func parseCount(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the rate is a number of operations for each second")
	}
	return n, nil
}

func blockDevice(flag, dev string) (major, minor int64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dev, &st); err != nil {
		return 0, 0, fmt.Errorf("%s: %s: %w", flag, dev, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, 0, fmt.Errorf("%s: %s is not a block device", flag, dev)
	}
	return int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)), nil
}
