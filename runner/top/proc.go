package top

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readAll makes the table of `ps -ef`.
func readAll(proc string, pids []int) (Table, error) {
	t := Table{Titles: []string{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"}}
	up, err := uptime(proc)
	if err != nil {
		return t, err
	}
	for _, pid := range pids {
		row, err := readOne(filepath.Join(proc, strconv.Itoa(pid)), up)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return t, err
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// ticks are in a second of the times in /proc.
const ticks = 100

// readOne makes the row of one process, whose folder is given, on a machine
// that has been up for so long.
func readOne(dir string, up time.Duration) ([]string, error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	// After the name in brackets, which may itself contain blanks and brackets:
	// state is field 3 of proc_pid_stat(5).
	end := bytes.LastIndexByte(stat, ')')
	numbers := strings.Fields(string(stat[end+1:]))
	if len(numbers) < 20 {
		return nil, fmt.Errorf("%s/stat: too short", dir)
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(numbers[field-3], 10, 64)
		return n
	}
	span := func(n int64) time.Duration { return time.Duration(n) * time.Second / ticks }
	used, age := span(number(14)+number(15)), up-span(number(22))
	return []string{
		owner(info.Sys().(*syscall.Stat_t).Uid), filepath.Base(dir), numbers[1], strconv.Itoa(share(used, age)),
		startedAt(time.Now().Add(-age)), terminal(uint64(number(7))), clock(used), command(dir, stat, end),
	}, nil
}

// share is how much of a processor was used, in percent.
func share(used, age time.Duration) int {
	if age <= 0 {
		return 0
	}
	return min(int(100*used/age), 99)
}

func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// startedAt is the time of day, or the day where that was another.
func startedAt(t time.Time) string {
	if time.Since(t) < 24*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("Jan02")
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// terminal names the terminal with a device number: those that containers have
// are pseudo-terminals.
func terminal(device uint64) string {
	const firstPTS, lastPTS = 136, 143
	major, minor := unix.Major(device), unix.Minor(device)
	switch {
	case device == 0:
		return "?"
	case major >= firstPTS && major <= lastPTS:
		return fmt.Sprintf("pts/%d", (major-firstPTS)<<8+minor)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// command is the command line, or the name in brackets of a process that has
// none any more.
func command(dir string, stat []byte, end int) string {
	line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	if line = bytes.TrimRight(line, "\x00"); len(line) > 0 {
		return strings.Map(printable, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
	}
	begin := bytes.IndexByte(stat, '(')
	return "[" + strings.Map(printable, string(stat[begin+1:end])) + "]"
}

// printable keeps what a process calls itself from doing things to the terminal.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}

func uptime(proc string) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(proc, "uptime"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second)), err
}
