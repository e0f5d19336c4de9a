package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

// controlCommands change containers that exist.
var controlCommands = []command{
	{
		name: "pause", aliases: []string{"container pause"}, group: groupRun,
		summary: "Stop the processes of containers where they are", usage: "CONTAINER [CONTAINER...]",
		examples: []string{"rl pause web", "rl pause $(rl ps -q)"},
		new:      func() any { return new(pauseCmd) },
	},
	{
		name: "unpause", aliases: []string{"container unpause"}, group: groupRun,
		summary: "Let paused containers go on", usage: "CONTAINER [CONTAINER...]",
		examples: []string{"rl unpause web", "rl unpause $(rl ps -q --filter status=paused)"},
		new:      func() any { return new(unpauseCmd) },
	},
	{
		name: "rename", aliases: []string{"container rename"}, group: groupRun, where: inside,
		summary: "Give a container another name", usage: "CONTAINER NEW-NAME",
		examples: []string{"rl rename web old-web", "rl rename 4f2a8c web"},
		new:      func() any { return new(renameCmd) },
	},
	{
		name: "update", aliases: []string{"container update"}, group: groupRun, where: inside,
		summary: "Change the limits of containers, at once and for later starts", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl update --memory 200m web", "rl update --cpus 1.5 --restart unless-stopped web db"},
		new:      func() any { return new(updateCmd) },
	},
}

type pauseCmd struct {
	Containers []string `arg:"" name:"container"`
}

func (c *pauseCmd) Run(a *app) error {
	said := false
	return a.each(c.Containers, func(ctx context.Context, s runner.Store, v runner.View) error {
		notes, err := s.Pause(ctx, v.ID)
		if !said {
			a.printNotes(notes)
			said = len(notes) > 0
		}
		return err
	})
}

type unpauseCmd struct {
	Containers []string `arg:"" name:"container"`
}

func (c *unpauseCmd) Run(a *app) error {
	return a.each(c.Containers, func(ctx context.Context, s runner.Store, v runner.View) error { return s.Unpause(ctx, v.ID) })
}

type renameCmd struct {
	Container string `arg:""`
	Name      string `arg:"" name:"new-name"`
}

func (c *renameCmd) Run(a *app) error {
	if err := runner.ValidName(c.Name); err != nil {
		return usagef("%w", err)
	}
	store, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	return store.Rename(context.Background(), v.ID, c.Name)
}

// limitFlags are common to run, create and update. Values are passed on as typed.
type limitFlags struct {
	Memory            string   `group:"Limits" short:"m" placeholder:"SIZE" help:"Memory limit, at least 6m."`
	MemorySwap        string   `group:"Limits" placeholder:"SIZE" help:"Memory and swap together; -1 for no limit."`
	MemoryReservation string   `group:"Limits" placeholder:"SIZE" help:"Memory that the kernel tries to leave."`
	CPUs              string   `group:"Limits" name:"cpus" placeholder:"NUMBER" help:"Number of processors, 1.5 for example."`
	CPUShares         int64    `group:"Limits" name:"cpu-shares" short:"c" placeholder:"WEIGHT" help:"Share of the processors, 1024 being the usual one."`
	CPUPeriod         int64    `group:"Limits" name:"cpu-period" placeholder:"MICROSECONDS" help:"Length of a scheduling period."`
	CPUQuota          int64    `group:"Limits" name:"cpu-quota" placeholder:"MICROSECONDS" help:"Processor time in each period."`
	CPUSetCPUs        string   `group:"Limits" name:"cpuset-cpus" placeholder:"LIST" help:"Processors to run on, 0-3,5 for example."`
	CPUSetMems        string   `group:"Limits" name:"cpuset-mems" placeholder:"LIST" help:"Memory nodes to use."`
	PidsLimit         *int64   `group:"Limits" placeholder:"NUMBER" help:"Number of processes and threads; -1 for no limit."`
	BlkioWeight       uint16   `group:"Limits" placeholder:"WEIGHT" help:"Share of the disks, 10 to 1000."`
	BlkioWeightDevice []string `group:"Limits" sep:"none" placeholder:"DEVICE:WEIGHT" help:"Share of one disk."`
	DeviceReadBps     []string `group:"Limits" sep:"none" placeholder:"DEVICE:SIZE" help:"Bytes read from a disk each second."`
	DeviceWriteBps    []string `group:"Limits" sep:"none" placeholder:"DEVICE:SIZE" help:"Bytes written to a disk each second."`
	DeviceReadIOps    []string `group:"Limits" name:"device-read-iops" sep:"none" placeholder:"DEVICE:NUMBER" help:"Reads from a disk each second."`
	DeviceWriteIOps   []string `group:"Limits" name:"device-write-iops" sep:"none" placeholder:"DEVICE:NUMBER" help:"Writes to a disk each second."`
}

func (f *limitFlags) limits() spec.Limits {
	return spec.Limits{
		Memory: f.Memory, MemorySwap: f.MemorySwap, MemoryReservation: f.MemoryReservation,
		CPUs: f.CPUs, CPUShares: f.CPUShares, CPUPeriod: f.CPUPeriod, CPUQuota: f.CPUQuota,
		CPUSetCPUs: f.CPUSetCPUs, CPUSetMems: f.CPUSetMems, PidsLimit: f.PidsLimit,
		BlkioWeight: f.BlkioWeight, BlkioWeightDevice: f.BlkioWeightDevice,
		DeviceReadBps: f.DeviceReadBps, DeviceWriteBps: f.DeviceWriteBps,
		DeviceReadIOps: f.DeviceReadIOps, DeviceWriteIOps: f.DeviceWriteIOps,
	}
}

type updateCmd struct {
	limitFlags
	Restart    *string  `placeholder:"POLICY" help:"What happens when the command ends: no, always, unless-stopped or on-failure[:N]."`
	Containers []string `arg:"" name:"container"`
}

func (c *updateCmd) Run(a *app) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	said := map[string]bool{}
	return a.each(c.Containers, func(ctx context.Context, s runner.Store, v runner.View) error {
		notes, err := s.Update(ctx, v.ID, o)
		for _, note := range notes {
			if !said[note] {
				a.printNotes([]string{note})
				said[note] = true
			}
		}
		return err
	})
}

// options checks what can be checked without the container: how its memory and
// swap fit together is known only there.
func (c *updateCmd) options() (runner.UpdateOptions, error) {
	o := runner.UpdateOptions{Limits: c.limits(), Restart: c.Restart}
	alone := o.Limits
	alone.MemorySwap = ""
	wanted, err := alone.Resources(runtime.NumCPU())
	if err != nil {
		return o, usagef("%w", err)
	}
	if c.Restart != nil {
		if _, err := spec.ParseRestart(*c.Restart); err != nil {
			return o, usagef("%w", err)
		}
	}
	if wanted == nil && c.MemorySwap == "" && c.Restart == nil {
		return o, usagef("nothing to change: give a limit, --memory 200m for example, or --restart")
	}
	return o, nil
}

// checkPaused refuses what a paused container cannot do.
func checkPaused(v runner.View) error {
	if v.Status == runner.Paused {
		return fmt.Errorf("%w: let it go on first (rl unpause %s)", runner.ErrPaused, v.Name)
	}
	return nil
}
