// Package store works on images: it pulls, lists, tags, removes, loads, saves,
// imports and inspects them, in the person's ordinary containers/storage store.
//
// The store is the one that Podman, Buildah and Skopeo use, found by the same
// rules (storage.conf, its drop-ins, the environment), so that what one program
// stored is there for the others. There are two exceptions. For real root, whose
// containers' root is not the host's, and for a home on a network file system,
// which cannot hold files of several owners, the store lies in rl's own data
// folder, unless $CONTAINERS_STORAGE_CONF names a configuration.
//
// Everything here runs as uid 0 of rl's user namespace, in a mount namespace of
// its own, in a program whose main has called reexec.Init: layers that are pulled
// are unpacked by a child that has made the layer's folder its root, so no name in
// an archive can lead out of it; package tree sees to that for all others. The package is large to link and slow to open; what
// starting a container needs of it is written to the records of package storage.
package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/storage"
)

// Options say where the store is.
type Options struct {
	Data    string // rl's data folder
	Runtime string // rl's folder for what a reboot may clear
	// Chosen is where Data would be, if it is a folder for a moment; else "".
	Chosen string
	UID    int // the person, as the host counts; 0 is real root
	// Warn is told, in one line each, what went on differently than asked.
	Warn func(line string)
	// Passing gives a folder for a moment, for the caller who only looks: a store that
	// is not there yet is then taken for an empty one. nil has it made.
	Passing func() (string, error)
}

// Store is an opened image store.
type Store struct {
	options Options
	opened  types.StoreOptions
	store   cstorage.Store
	facts   storage.Facts
	// unwritable says why nothing can be added; nil where it can.
	unwritable error
	// absent means that there is none yet, and that an empty one stands for it.
	absent bool
}

// Open opens the store, and makes it if it is not there unless the caller only looks.
func Open(o Options) (*Store, error) {
	opts, err := types.LoadStoreOptions(types.LoadOptions{})
	if err != nil {
		return nil, fmt.Errorf("storage.conf: %w", err)
	}
	chooseFolders(o, &opts, dirs.RemoteFS(dirs.Nearest(opts.GraphRoot)))
	chooseDriver(&opts)
	s := &Store{options: o, opened: opts}
	if o.Passing != nil && !isStore(opts.GraphRoot) {
		return s, s.openEmpty()
	}
	// What is read from here on must be no older than these facts.
	s.facts = storage.GatherFacts(s.factFiles())
	s.store, err = cstorage.GetStore(opts)
	if errors.Is(err, unix.EROFS) {
		s.opened, s.unwritable = readOnly(o, opts), explain(err)
		s.store, err = cstorage.GetStore(s.opened)
	}
	if err != nil {
		return nil, explainOpen(opts, err)
	}
	s.store = wholeImages{s.store, s}
	return s, nil
}

// isStore reports whether a store has been opened in a folder for writing.
func isStore(root string) bool {
	_, err := os.Stat(filepath.Join(root, "storage.lock"))
	return err == nil
}

// openEmpty opens an empty store for a moment. Without additional stores to look
// into it needs no driver that can mount, which not every file system in memory has.
func (s *Store) openEmpty() error {
	dir, err := s.options.Passing()
	if err != nil {
		return err
	}
	empty := s.opened
	empty.GraphRoot, empty.RunRoot, empty.ImageStore = filepath.Join(dir, "empty"), filepath.Join(dir, "storage"), ""
	if s.absent = len(s.imageRoots()) == 1; s.absent {
		empty.GraphDriverName, empty.GraphDriverPriority, empty.GraphDriverOptions = vfs, nil, nil
	}
	if s.store, err = cstorage.GetStore(empty); err != nil {
		return explainOpen(empty, err)
	}
	return nil
}

// readOnly opens a store on a disk that cannot be written as an additional one,
// beside an empty one in the run-time folder: it can be looked at and saved.
func readOnly(o Options, opts types.StoreOptions) types.StoreOptions {
	opts.GraphDriverOptions = append(opts.GraphDriverOptions, "overlay.imagestore="+opts.GraphRoot)
	opts.GraphRoot = filepath.Join(o.Runtime, "empty")
	opts.RunRoot = filepath.Join(o.Runtime, "storage")
	return opts
}

// chooseFolders moves the store into rl's own folder where the usual place
// cannot be used; remote names the network file system that this is on.
func chooseFolders(o Options, opts *types.StoreOptions, remote string) {
	if os.Getenv("CONTAINERS_STORAGE_CONF") != "" {
		return
	}
	if o.UID != 0 && (remote == "" || hasOption(*opts, "mount_program")) {
		return
	}
	usual := opts.GraphRoot
	opts.GraphRoot = filepath.Join(cmp.Or(o.Chosen, o.Data), "storage")
	opts.RunRoot = filepath.Join(o.Runtime, "storage")
	opts.ImageStore = ""
	if !isStore(opts.GraphRoot) && o.UID != 0 && o.Warn != nil && o.Passing == nil { // once, by who makes it
		o.Warn(fmt.Sprintf("%s is on %s, which cannot hold the files of several owners; images are kept in %s", usual, remote, opts.GraphRoot))
	}
}

// chooseDriver asks for overlay unless the configuration asks for another one.
// Left alone, containers/storage would go on with vfs where it finds a vfs store
// that another program began; vfs copies the whole image for every container.
func chooseDriver(opts *types.StoreOptions) {
	if opts.GraphDriverName == "" && len(opts.GraphDriverPriority) == 0 {
		opts.GraphDriverName = "overlay"
	}
	// Images may hold owners that are not in the person's id map. Their files
	// then belong to root, and the pull goes on (see warnClamped).
	if driver := opts.GraphDriverName; driver != "" && !hasOption(*opts, "ignore_chown_errors") {
		opts.GraphDriverOptions = append(opts.GraphDriverOptions, driver+".ignore_chown_errors=true")
	}
	// Nobody else sees this mount namespace; and nothing can be moved to another mount.
	if opts.GraphDriverName == "overlay" && !hasOption(*opts, "skip_mount_home") {
		opts.GraphDriverOptions = append(opts.GraphDriverOptions, "overlay.skip_mount_home=true")
	}
}

// hasOption reports whether a driver option, written as "key=" or
// "driver.key=", is set.
func hasOption(opts types.StoreOptions, key string) bool {
	return len(optionValues(opts, key)) > 0
}

func optionValues(opts types.StoreOptions, key string) []string {
	var values []string
	for _, option := range opts.GraphDriverOptions {
		name, value, _ := strings.Cut(option, "=")
		if name = name[strings.LastIndexByte(name, '.')+1:]; name == key && value != "" {
			values = append(values, value)
		}
	}
	return values
}

// explainOpen says what to do about a store that does not open.
func explainOpen(opts types.StoreOptions, err error) error {
	if errors.Is(err, graphdriver.ErrIncompatibleFS) || errors.Is(err, graphdriver.ErrNotSupported) {
		_, missing := exec.LookPath("fuse-overlayfs")
		if missing != nil {
			return fmt.Errorf("image store %s: %w; install the package fuse-overlayfs, or use Linux 5.11 or newer", opts.GraphRoot, err)
		}
	}
	return explain(fmt.Errorf("image store %s: %w", opts.GraphRoot, err))
}

// imageRoots returns the folders in which images lie: the store's own, and the
// additional ones that are only read.
func (s *Store) imageRoots() []string {
	roots := []string{s.opened.GraphRoot}
	if s.opened.ImageStore != "" {
		roots = append(roots, s.opened.ImageStore)
	}
	for _, key := range []string{"imagestore", "additionalimagestore"} {
		for _, value := range optionValues(s.opened, key) {
			roots = append(roots, strings.Split(value, ",")...)
		}
	}
	return roots
}

// factFiles returns the files that decide what a reference means: the stores'
// lists of images and the configuration. Lists of layers are not among them:
// they change with every container, while an image's layers never do.
func (s *Store) factFiles() []string {
	var files []string
	for _, root := range s.imageRoots() {
		files = append(files, filepath.Join(root, s.driverName()+"-images", "images.json"))
	}
	return append(files, configFiles(s.options.UID)...)
}

// configFiles returns every place where storage.conf may be, there or not.
func configFiles(uid int) []string {
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "storage", Extension: "conf", EnvironmentName: "CONTAINERS_STORAGE_CONF", UserId: uid,
	})
	if err != nil {
		return nil
	}
	files := slices.Concat(paths.MainFiles, paths.DropInDirectories)
	for _, dir := range paths.DropInDirectories {
		found, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

func (s *Store) driverName() string {
	if s.store != nil && !s.absent {
		return s.store.GraphDriverName()
	}
	if s.opened.GraphDriverName == "" {
		return "overlay"
	}
	return s.opened.GraphDriverName
}

// mountProgram returns the program that mounts overlays in place of the
// kernel, or "".
func (s *Store) mountProgram() string {
	flag, _ := os.ReadFile(filepath.Join(s.opened.GraphRoot, s.driverName(), ".has-mount-program"))
	if strings.TrimSpace(string(flag)) != "true" {
		return ""
	}
	if set := optionValues(s.opened, "mount_program"); len(set) > 0 {
		return set[len(set)-1]
	}
	path, _ := exec.LookPath("fuse-overlayfs")
	return path
}

// Location says where the images lie and which driver stores them.
func (s *Store) Location() storage.Store { return s.location() }

// location describes the store to package storage.
func (s *Store) location() storage.Store {
	name := s.driverName()
	containers := filepath.Join(s.opened.GraphRoot, name+"-containers")
	l := storage.Store{
		Driver:         name,
		Home:           filepath.Join(s.opened.GraphRoot, name),
		Containers:     filepath.Join(containers, "containers.json"),
		ContainersLock: filepath.Join(containers, "containers.lock"),
	}
	if program := s.mountProgram(); program != "" {
		l.Driver, l.Program = filepath.Base(program), program
	}
	if s.opened.TransientStore {
		containers = filepath.Join(s.opened.RunRoot, name+"-containers")
		l.Containers = filepath.Join(containers, "volatile-containers.json")
		l.ContainersLock = filepath.Join(containers, "containers.lock")
	}
	return l
}

func (s *Store) warnf(format string, args ...any) {
	if s.options.Warn != nil {
		s.options.Warn(fmt.Sprintf(format, args...))
	}
}
