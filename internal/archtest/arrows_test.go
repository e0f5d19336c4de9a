package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/rl-project/rl"
	tags   = "containers_image_openpgp,exclude_graphdriver_btrfs"
)

// below lists, for each top folder, the top folders that its packages may
// import, besides its own and internal.
var below = map[string][]string{
	"cmd":         {"build", "runner", "check", "systemd", "userns", "storage", "slirp", "cgroup2"},
	"systemd":     {},
	"build":       {"runner", "userns", "storage", "slirp", "cgroup2"},
	"runner":      {"userns", "storage", "slirp", "cgroup2"},
	"check":       {"userns", "storage", "slirp", "cgroup2"},
	"userns":      {},
	"storage":     {},
	"slirp":       {},
	"cgroup2":     {},
	"internal":    {},
	"integration": {},
}

// list is what `go list` says about a package.
type list struct {
	ImportPath, Doc, Name              string
	Imports, TestImports, XTestImports []string
	DepOnly                            bool
}

func goList(t *testing.T, args ...string) []list {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Name,Imports,TestImports,XTestImports,DepOnly"}, args...)...)
	cmd.Dir = "../.."
	errs := new(strings.Builder)
	cmd.Stderr = errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, errs)
	}
	var all []list
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l list
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

// top is the top folder of a package of the module, or "".
func top(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

func TestArrows(t *testing.T) {
	for _, pkg := range goList(t, "-tags="+tags, "./...") {
		from := top(pkg.ImportPath)
		allowed, known := below[from]
		if !known {
			t.Errorf("%s: a new top folder: say in this test what it may import", pkg.ImportPath)
		}
		if from != "integration" {
			allowed = append([]string{from, "internal"}, allowed...)
		} else {
			allowed = []string{from}
		}
		for _, imported := range slices.Concat(pkg.Imports, pkg.TestImports, pkg.XTestImports) {
			if to := top(imported); to != "" && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: arrows point from cmd to build, runner and check, from build to runner, from them to userns, storage, slirp and cgroup2, and those know nothing of each other", pkg.ImportPath, imported)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, pkg := range goList(t, "-tags="+tags, "./...") {
		begin := "Package " + pkg.Name + " "
		if pkg.Name == "main" {
			begin = "Command " + path.Base(pkg.ImportPath) + " "
		}
		if !strings.HasPrefix(pkg.Doc, begin) {
			t.Errorf("%s: its doc comment is %q, not a sentence that begins with %q", pkg.ImportPath, pkg.Doc, begin)
		}
	}
}
