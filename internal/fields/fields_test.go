package fields

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func document(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = "# All\n\n## One\n\ntext\n\n| Field | |\n|---|---|\n| `A` | filled | |\n| `B.C` | empty | why |\n| `D` | not applicable | |\n| `M` | filled | |\n\n## Two\n\n| `X` | filled |\n"

func TestCompare(t *testing.T) {
	table, err := Read(document(t, good), "One")
	if err != nil || len(table) != 4 {
		t.Fatalf("%v, %v", table, err)
	}
	type inner struct{ C string }
	type object struct {
		A int
		B inner
		M map[string]string
	}
	if wrong, err := table.Compare(object{A: 1}, object{M: map[string]string{"k": "v"}}); err != nil || wrong != nil {
		t.Errorf("%q, %v", wrong, err)
	}
	wrong, err := table.Compare(struct {
		object
		D, E string
	}{object: object{B: inner{"c"}}})
	want := []string{
		"A is said to be filled: filled is false", "B.C is said to be empty: filled is true",
		"D is shown, though it is said not to be applicable", "E is not in the table", "M is said to be filled: filled is false",
	}
	if err != nil || !slices.Equal(wrong, want) {
		t.Errorf("%q, %v", wrong, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"", "\n## One\n| `A` | full |\n", "\n## One\n| `A` | empty |\n| `A` | empty |\n"} {
		if table, err := Read(document(t, text), "One"); err == nil {
			t.Errorf("%q gave %v", text, table)
		}
	}
}
