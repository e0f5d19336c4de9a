package top

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	const output = "USER  PID CMD\nroot    1 /sbin/init splash\nann   42 sh -c 'sleep  5'\nann  421 x\nshort\n"
	for _, tt := range []struct {
		pids []int
		want string
	}{
		{[]int{42}, "ann|42|sh -c 'sleep  5'"},
		{[]int{421, 1, 7}, "root|1|/sbin/init splash;ann|421|x"},
		{nil, ""},
	} {
		table, err := choose(output, tt.pids)
		var rows []string
		for _, r := range table.Rows {
			rows = append(rows, strings.Join(r, "|"))
		}
		if got := strings.Join(rows, ";"); err != nil || got != tt.want {
			t.Errorf("%v: %q, %v", tt.pids, got, err)
		}
	}
	if _, err := choose("CMD\ninit\n", []int{1}); !errors.Is(err, ErrNoPID) {
		t.Errorf("without process ids: %v", err)
	}
}

// What is read from /proc is what ps says of this process.
func TestReadAllAgreesWithPs(t *testing.T) {
	pids := []int{os.Getpid(), 1 << 30}
	own, err := readAll("/proc", pids)
	if err != nil {
		t.Fatal(err)
	}
	if len(own.Rows) != 1 || len(own.Rows[0]) != len(own.Titles) {
		t.Fatalf("%+v", own)
	}
	if own.Rows[0][1] != strconv.Itoa(os.Getpid()) || !strings.Contains(own.Rows[0][7], "top.test") {
		t.Errorf("%q", own.Rows[0])
	}
	if _, err := exec.LookPath("ps"); err != nil {
		t.Skip("needs ps")
	}
	theirs, err := List(pids, nil)
	if err != nil || !slices.Equal(own.Titles, theirs.Titles) || len(theirs.Rows) != 1 {
		t.Fatalf("%+v, %v", theirs, err)
	}
	for _, column := range []int{0, 1, 2, 5, 7} {
		if own.Rows[0][column] != theirs.Rows[0][column] {
			t.Errorf("%s: %q, ps says %q", own.Titles[column], own.Rows[0][column], theirs.Rows[0][column])
		}
	}
}

func TestNameOfAProcessDoesNothingToTheTerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "7")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"stat": "7 (a) \x1b[2J) S 1 7 7 34817 -1 0 0 0 0 0 6100 0 0 0 20 0 1 0 0 0 0", "cmdline": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	row, err := readOne(dir, 0)
	if err != nil || row[7] != "[a) ?[2J]" || row[5] != "pts/1" || row[6] != "00:01:01" {
		t.Errorf("%q, %v", row, err)
	}
}
