package systemd

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// translation makes a unit of one Quadlet file.
type translation struct {
	file  *file
	o     Options
	unit  *Unit
	flags []string // of the command, systemd's specifiers in them
	first []string // after its operand: the rest of the entrypoint
	args  []string // after those
	extra []string // flags that were written for Podman's command line
	needs []string // other Quadlet files

	user, group, name, operand, notify string
	rootfs, dockerfile, arch, variant  string
	pull                               string // when to pull
	retries                            int    // of a pull or build that failed
	retryDelay                         time.Duration
	reload                             []string // a command of rl, with "" for the container
	deleteOnStop                       bool
	stop                               time.Duration
}

// defaultStop is how long a container has to stop where nothing is said.
const defaultStop = 10 * time.Second

// translate does what one key says.
type translate func(t *translation, value string) error

// take does what a key says, and checks flags for a container that come of it. What
// systemd is to replace in them is not known yet.
func (t *translation) take(do translate, value string) error {
	flags, extra := len(t.flags), len(t.extra)
	if err := do(t, value); err != nil {
		return err
	}
	added := slices.Concat(t.flags[flags:], t.extra[extra:])
	if len(added) == 0 || t.o.Check == nil || path.Ext(t.file.name) != ".container" || strings.ContainsAny(value, "%$") {
		return nil
	}
	return t.o.Check(added)
}

// flag passes the value on as a flag's.
func flag(name string) translate {
	return func(t *translation, value string) error {
		t.flags = append(t.flags, name, value)
		return nil
	}
}

// each is flag for every word of the value.
func each(name string) translate {
	return func(t *translation, value string) error {
		list, err := words(value)
		for _, w := range list {
			t.flags = append(t.flags, name, w)
		}
		return err
	}
}

// fileFlag is flag for a file, which may be named from the folder of the
// Quadlet file on.
func fileFlag(name string) translate {
	return func(t *translation, value string) error {
		t.flags = append(t.flags, name, t.absolute(value))
		return nil
	}
}

// absolute is a path that may start from the folder of the Quadlet file; one
// that begins with a specifier of systemd's, %h for example, is absolute.
func (t *translation) absolute(value string) string {
	if path.IsAbs(value) || strings.HasPrefix(value, "%") {
		return value
	}
	return path.Join(t.o.Dir, value)
}

// yes is for flags that are complete.
func yes(flags ...string) translate {
	return func(t *translation, value string) error {
		on, err := truth(value)
		if on {
			t.flags = append(t.flags, flags...)
		}
		return err
	}
}

func truth(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "yes", "true", "1", "on":
		return true, nil
	case "no", "false", "0", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", value)
}

// option is a flag's value with something before it.
func option(name, before string) translate {
	return func(t *translation, value string) error {
		t.flags = append(t.flags, name, before+value)
		return nil
	}
}

// set keeps the value for later.
func set(field func(*translation) *string) translate {
	return func(t *translation, value string) error {
		*field(t) = value
		return nil
	}
}

// refuse is for keys whose meaning cannot be had.
func refuse(why string) translate {
	return func(*translation, string) error { return errors.New("cannot be had here: " + why) }
}

func takeArgs(t *translation, value string) (err error) {
	t.args, err = words(value)
	return err
}

func takePodmanArgs(t *translation, value string) error {
	list, err := words(value)
	t.extra = append(t.extra, list...)
	return err
}

// takeVolume replaces the name of a Quadlet file by that of its volume.
func takeVolume(t *translation, value string) error {
	source, rest, _ := strings.Cut(value, ":")
	if path.Ext(source) == ".volume" {
		name, err := t.refer(source, "VolumeName")
		if err != nil {
			return err
		}
		value = name + ":" + rest
	}
	if strings.HasPrefix(source, ".") {
		value = t.absolute(source) + ":" + rest
	}
	t.flags = append(t.flags, "--volume", value)
	return nil
}

// takeMount is takeVolume for the long form.
func takeMount(t *translation, value string) error {
	fields := strings.Split(value, ",")
	for i, field := range fields {
		key, source, _ := strings.Cut(field, "=")
		if key != "source" && key != "src" {
			continue
		}
		switch {
		case path.Ext(source) == ".volume":
			name, err := t.refer(source, "VolumeName")
			if err != nil {
				return err
			}
			source = name
		case strings.HasPrefix(source, "."):
			source = t.absolute(source)
		}
		fields[i] = key + "=" + source
	}
	t.flags = append(t.flags, "--mount", strings.Join(fields, ","))
	return nil
}

func takeNetwork(t *translation, value string) error {
	name, rest, more := strings.Cut(value, ":")
	switch path.Ext(name) {
	case ".network":
		n, err := t.refer(name, "NetworkName")
		if err != nil {
			return err
		}
		value = n
	case ".container":
		n, err := t.refer(name, "ContainerName")
		if err != nil {
			return err
		}
		value, more = "container:"+n, false
	}
	if more && path.Ext(name) == ".network" {
		value += ":" + rest
	}
	t.flags = append(t.flags, "--network", value)
	return nil
}

// refer notes that another file is needed, and returns the name of what it describes.
func (t *translation) refer(name, key string) (string, error) {
	f, err := t.other(name)
	if err != nil {
		return "", err
	}
	t.needFile(name)
	t.unit.need([]string{f.service()})
	if named := f.last(key); named != "" {
		return named, nil
	}
	if path.Ext(name) == ".image" || path.Ext(name) == ".build" {
		return "", fmt.Errorf("%s has no %s", name, key)
	}
	return "systemd-" + strings.TrimSuffix(name, path.Ext(name)), nil
}

// own is the name of what the file describes.
func (t *translation) own() string {
	if t.name != "" {
		return t.name
	}
	base := strings.TrimSuffix(t.file.name, path.Ext(t.file.name))
	if before, ok := strings.CutSuffix(base, "@"); ok {
		return "systemd-" + before + "_%i"
	}
	return "systemd-" + strings.ReplaceAll(base, "@", "_")
}

// command is a command line of rl.
func (t *translation) command(list ...string) string {
	line := quoteWord(t.o.Program)
	for _, w := range list {
		line += " " + quoteSpecifiers(w)
	}
	return line
}

func (t *translation) container() error {
	if (t.operand == "") == (t.rootfs == "") {
		return errors.New("[Container] has no Image, nor a Rootfs; it needs one of them")
	}
	image := t.operand
	if t.rootfs != "" {
		image = "--rootfs=" + t.absolute(t.rootfs)
	}
	if ext := path.Ext(image); ext == ".image" || ext == ".build" {
		var err error
		if image, err = t.referImage(image); err != nil {
			return err
		}
	} else if t.rootfs == "" {
		t.pullFirst(image)
	}
	if t.user != "" || t.group != "" {
		u := t.user
		if t.group != "" {
			u = orZero(u) + ":" + t.group
		}
		t.flags = append(t.flags, "--user", u)
	}
	mode := cmp.Or(t.notify, "rl")
	run := append([]string{"run", "--name", t.own(), "--rm", "--sdnotify", mode}, t.flags...)
	run = append(append(append(run, t.extra...), image), slices.Concat(t.first, t.args)...)
	t.unit.Add("Service", "ExecStart", t.command(run...))
	t.unit.Add("Service", "ExecStop", t.command("stop", t.own()))
	if t.reload != nil {
		t.reload[1] = t.own()
		t.unit.Add("Service", "ExecReload", t.command(t.reload...))
	}
	t.unit.Add("Service", "ExecStopPost", "-"+t.command("rm", "-f", t.own()))
	c := Container{Name: "%N", StopTimeout: t.stop, Notify: mode == "container"}
	t.unit.service(c)
	t.describe("Container " + t.own())
	return nil
}

// referImage is refer for a file that brings an image. The name of one from an
// archive is its tag.
func (t *translation) referImage(name string) (string, error) {
	if f, err := t.other(name); err == nil && f.last("ImageTag") != "" {
		return t.refer(name, "ImageTag")
	}
	return t.refer(name, map[string]string{".image": "Image", ".build": "ImageTag"}[path.Ext(name)])
}

// pullFirst takes over when the image is pulled, with another try if that fails.
func (t *translation) pullFirst(image string) {
	policy := t.pull
	if t.retries > 0 && policy != "never" {
		t.unit.Add("Service", "ExecStartPre", t.pulling(cmp.Or(policy, "missing"), []string{"pull", image}))
		policy = "never"
	}
	if policy != "" {
		t.flags = append(t.flags, "--pull", policy)
	}
}

// pulling is a command line that does what pull does, whose last word is the
// image, as the policy says, again if it fails.
func (t *translation) pulling(policy string, pull []string) string {
	look := t.command("image", "inspect", pull[len(pull)-1]) + " >/dev/null"
	switch {
	case policy == "never":
		return "/bin/sh -c " + quoteSpecifiers(look)
	case policy == "missing":
		return "/bin/sh -c " + quoteSpecifiers(look+" 2>&1 && exit; "+t.again(t.command(pull...)))
	case t.retries == 0:
		return t.command(pull...)
	}
	return "/bin/sh -c " + quoteSpecifiers(t.again(t.command(pull...)))
}

// maxRetries bounds the length of a command line.
const maxRetries = 100

// again is shell text that executes a command, and the times that were asked
// for again while it fails. Without a delay, the pauses double, to a minute.
func (t *translation) again(command string) string {
	if t.retries == 0 {
		return "exec " + command
	}
	pause, pauses := cmp.Or(t.retryDelay, time.Second), ""
	for range t.retries {
		pauses += fmt.Sprintf(" %d", int(pause.Seconds()))
		if t.retryDelay == 0 {
			pause = min(2*pause, time.Minute)
		}
	}
	return "for pause in" + pauses + "; do " + command + " && exit; sleep $$pause; done; exec " + command
}

// platform is what Arch and Variant say.
func (t *translation) platform() error {
	switch {
	case t.arch == "" && t.variant != "":
		return errors.New("there is a Variant and no Arch")
	case t.arch == "":
		return nil
	}
	t.flags = append(t.flags, "--platform", path.Join("linux", t.arch, t.variant))
	return nil
}

func orZero(user string) string {
	if user == "" {
		return "0"
	}
	return user
}

func (t *translation) describe(text string) {
	if !t.unit.Has("Unit", "Description") {
		t.unit.Add("Unit", "Description", text)
	}
}

// once is a service that does something and counts as active then.
func (t *translation) once(what string, command string) error {
	t.describe(what)
	for _, l := range [][2]string{{"Type", "oneshot"}, {"RemainAfterExit", "yes"}, {"ExecStart", command}, {"SyslogIdentifier", "%N"}} {
		t.unit.Add("Service", l[0], l[1])
	}
	return nil
}

func (t *translation) volume() error {
	return t.once("Volume "+t.own(), t.command(append(append([]string{"volume", "create"}, append(t.flags, t.extra...)...), t.own())...))
}

// network makes one only if there is none: it stays when the service is stopped.
func (t *translation) network() error {
	create := t.command(append(append([]string{"network", "create"}, append(t.flags, t.extra...)...), t.own())...)
	look := t.command("network", "inspect", t.own())
	if t.deleteOnStop {
		t.unit.Add("Service", "ExecStop", t.command("network", "rm", t.own()))
	}
	return t.once("Network "+t.own(), "/bin/sh -c "+quoteSpecifiers(look+" >/dev/null 2>&1 || exec "+create))
}

func (t *translation) image() error {
	if t.operand == "" {
		return errors.New("[Image] has no Image")
	}
	if kind, archive, ok := strings.Cut(t.operand, ":"); ok && (kind == "docker-archive" || kind == "oci-archive") {
		return t.once("Image "+t.operand, t.command("load", "--quiet", "--input", t.absolute(archive)))
	}
	if t.name != "" {
		return errors.New("ImageTag is for Image=docker-archive:FILE or oci-archive:FILE")
	}
	if err := t.platform(); err != nil {
		return err
	}
	return t.once("Image "+t.operand, t.pulling(t.pull, append(append([]string{"pull"}, append(t.flags, t.extra...)...), t.operand)))
}

func (t *translation) build() error {
	if t.name == "" {
		return errors.New("[Build] has no ImageTag")
	}
	folder, err := t.buildFolder()
	if err != nil {
		return err
	}
	flags := []string{"build", "-t", t.name}
	if t.dockerfile != "" {
		file := t.dockerfile
		if !path.IsAbs(file) {
			file = path.Join(folder, file)
		}
		flags = append(flags, "--file", file)
	}
	if err := t.platform(); err != nil {
		return err
	}
	command := t.command(append(append(append(flags, t.flags...), t.extra...), folder)...)
	if t.retries > 0 {
		command = "/bin/sh -c " + quoteSpecifiers(t.again(command))
	}
	return t.once("Build of "+t.name, command)
}

// buildFolder is the folder, or the address, to build from.
func (t *translation) buildFolder() (string, error) {
	switch folder := t.operand; {
	case strings.Contains(folder, "://"):
		return folder, nil
	case folder == "unit", folder == "" && t.dockerfile != "" && !path.IsAbs(t.dockerfile):
		return t.o.Dir, nil
	case folder == "file" && t.dockerfile != "", folder == "" && t.dockerfile != "":
		return path.Dir(t.absolute(t.dockerfile)), nil
	case folder == "" || folder == "file":
		return "", errors.New("[Build] has neither File nor SetWorkingDirectory, the folder to build from")
	default:
		return t.absolute(folder), nil
	}
}
