package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/rl-project/rl/runner/logs"
)

// fromJournal prints what journald has of a container, by way of journalctl.
// With --follow it goes on until it is interrupted: the journal does not tell
// that a container has ended.
func (c *logsCmd) fromJournal(a *app, id string, o logs.ReadOptions) error {
	args := []string{"--quiet", "--output=json", "--all", "--no-pager", "CONTAINER_ID_FULL=" + id}
	if o.Tail != logs.All {
		args = append(args, "--lines="+strconv.Itoa(o.Tail))
	} else if c.Follow {
		args = append(args, "--lines=all")
	}
	if !o.Since.IsZero() {
		args = append(args, "--since=@"+journalTime(o.Since))
	}
	if !o.Until.IsZero() {
		args = append(args, "--until=@"+journalTime(o.Until))
	}
	if c.Follow {
		args = append(args, "--follow")
	}
	cmd := exec.Command("journalctl", args...)
	cmd.Stderr = a.stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("the log is in the journal, and that cannot be read: %w", err)
	}
	p := &logPrinter{out: a.stdout, err: a.stderr, timestamps: c.Timestamps, details: c.Details, atOnce: c.Follow}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e, err := journalEntry(lines.Bytes())
		if err == nil {
			err = p.print(e)
		}
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	return cmd.Wait()
}

func journalTime(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', 6, 64)
}

// journalEntry reads one message. Text that is not UTF-8 comes as a list of
// numbers.
func journalEntry(line []byte) (e logs.Entry, err error) {
	var m struct {
		Message  json.RawMessage `json:"MESSAGE"`
		Time     string          `json:"__REALTIME_TIMESTAMP"`
		Priority string          `json:"PRIORITY"`
		Piece    string          `json:"CONTAINER_PARTIAL_MESSAGE"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return e, fmt.Errorf("the journal: %w", err)
	}
	var text string
	if json.Unmarshal(m.Message, &text) == nil {
		e.Text = []byte(text)
	} else {
		var numbers []int
		if err := json.Unmarshal(m.Message, &numbers); err != nil {
			return e, fmt.Errorf("the journal: %w", err)
		}
		for _, n := range numbers {
			e.Text = append(e.Text, byte(n))
		}
	}
	if m.Piece == "" {
		e.Text = append(e.Text, '\n')
	}
	if m.Priority == "3" {
		e.Stream = logs.Stderr
	}
	micros, err := strconv.ParseInt(m.Time, 10, 64)
	e.Time = time.UnixMicro(micros)
	return e, err
}
