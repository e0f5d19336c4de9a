package logs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net"
	"slices"
)

// journalSocket is where journald takes messages (systemd.journal-fields(7)).
const journalSocket = "/run/systemd/journal/socket"

// journal sends output to journald, one message for each line.
type journal struct {
	conn   *net.UnixConn
	fields []byte // of every message
	buffer []byte
}

// dialJournal connects to journald. fields are added to each message.
func dialJournal(socket string, fields map[string]string) (*journal, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		return nil, err
	}
	j := &journal{conn: conn}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		j.fields = appendField(j.fields, name, []byte(fields[name]))
	}
	return j, nil
}

// FieldsOf are the fields that Docker sends to journald with each message of a
// container, whose tag may be "".
func FieldsOf(a About, tag string) map[string]string {
	return map[string]string{
		"CONTAINER_ID": a.ID(), "CONTAINER_ID_FULL": a.FullID(), "CONTAINER_NAME": a.Name(), "CONTAINER_TAG": cmp.Or(tag, a.ID()),
		"IMAGE_NAME": a.Image, "SYSLOG_IDENTIFIER": cmp.Or(tag, a.Name()),
	}
}

// appendField writes a field as journald's native protocol has it: a value that
// does not fit a line with its length before it.
func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	if bytes.IndexByte(value, '\n') < 0 {
		return append(append(append(dst, '='), value...), '\n')
	}
	dst = append(dst, '\n')
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(value)))
	return append(append(dst, value...), '\n')
}

// send sends one line, or a piece of one. Priorities are those of Docker:
// informational and error.
func (j *journal) send(s Stream, text []byte, piece bool) error {
	priority := "6"
	if s == Stderr {
		priority = "3"
	}
	j.buffer = append(j.buffer[:0], j.fields...)
	j.buffer = appendField(j.buffer, "PRIORITY", []byte(priority))
	if piece {
		j.buffer = appendField(j.buffer, "CONTAINER_PARTIAL_MESSAGE", []byte("true"))
	}
	j.buffer = appendField(j.buffer, "MESSAGE", text)
	_, err := j.conn.Write(j.buffer)
	return err
}
