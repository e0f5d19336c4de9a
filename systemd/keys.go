package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The keys of each kind of Quadlet file, as Podman documents them.

func setName(t *translation) *string    { return &t.name }
func setOperand(t *translation) *string { return &t.operand }
func setArch(t *translation) *string    { return &t.arch }
func setVariant(t *translation) *string { return &t.variant }

// proxies hands on the variables that name them, those that are set.
func proxies() []string {
	var flags []string
	for _, name := range strings.Fields("http_proxy https_proxy ftp_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY NO_PROXY") {
		flags = append(flags, "--env="+name)
	}
	return flags
}

func takeServiceName(t *translation, value string) error {
	t.unit.Name = value + ".service"
	return nil
}

// takeReload runs a command in the container for systemctl reload.
func takeReload(t *translation, value string) error {
	list, err := words(value)
	t.reload = append([]string{"exec"}, "")
	t.reload = append(t.reload, list...)
	return err
}

func takeReloadSignal(t *translation, value string) error {
	t.reload = []string{"kill", "", "--signal", value}
	return nil
}

// takeTimezone mounts the zone over the one of the image.
func takeTimezone(t *translation, value string) error {
	source := "/etc/localtime"
	if value != "local" {
		source = "/usr/share/zoneinfo/" + value
	}
	t.flags = append(t.flags, "--volume", source+":/etc/localtime:ro")
	return nil
}

// takeEntrypoint takes a command, or a list as in JSON, whose rest goes before Exec.
func takeEntrypoint(t *translation, value string) error {
	list := []string{value}
	if strings.HasPrefix(value, "[") {
		if err := json.Unmarshal([]byte(value), &list); err != nil || len(list) == 0 {
			return errors.New(`a list is like ["command", "argument"]`)
		}
	}
	t.flags, t.first = append(t.flags, "--entrypoint", list[0]), list[1:]
	return nil
}

func takeNotify(t *translation, value string) error {
	if value == "healthy" {
		t.notify = value
		return nil
	}
	itself, err := truth(value)
	if err != nil {
		return errors.New("it is true, false or healthy")
	}
	if t.notify = ""; itself {
		t.notify = "container"
	}
	return nil
}

func takeDeleteOnStop(t *translation, value string) (err error) {
	t.deleteOnStop, err = truth(value)
	return err
}

func takeBuildPull(t *translation, value string) error {
	switch value {
	case "always", "newer", "true":
		t.flags = append(t.flags, "--pull")
	case "missing", "false":
	default:
		return errors.New("it is always or missing")
	}
	return nil
}

func takeStop(t *translation, value string) (err error) {
	t.flags = append(t.flags, "--stop-timeout", value)
	t.stop, err = seconds(value)
	return err
}

// only accepts what is so anyway; the reason says why it cannot be otherwise.
func only(usual, why string) translate {
	return func(_ *translation, value string) error {
		want, isTruth := truth(usual)
		got, err := truth(value)
		if strings.EqualFold(value, usual) || isTruth == nil && err == nil && got == want {
			return nil
		}
		return fmt.Errorf("it can only be %s: %s", usual, why)
	}
}

// takeAuthFile names the file with the credentials for registries.
func takeAuthFile(t *translation, value string) error {
	t.unit.Add("Service", "Environment", quoteSpecifiers("REGISTRY_AUTH_FILE="+t.absolute(value)))
	return nil
}

func takePolicy(t *translation, value string) error {
	switch value {
	case "always", "newer", "missing", "never":
		t.pull = value
		return nil
	}
	return errors.New("it is always, newer, missing or never")
}

// takePull is takePolicy for a container: rl run knows no newer, and with always it
// takes the newer one.
func takePull(t *translation, value string) error {
	if err := takePolicy(t, value); err != nil {
		return err
	}
	if value == "newer" {
		t.pull = "always"
	}
	return nil
}

func takeRetry(t *translation, value string) (err error) {
	if t.retries, err = strconv.Atoi(value); err != nil || t.retries < 0 || t.retries > maxRetries {
		return fmt.Errorf("it is a number from 0 to %d", maxRetries)
	}
	return nil
}

func takeRetryDelay(t *translation, value string) (err error) {
	if t.retryDelay, err = seconds(value); err == nil && t.retryDelay < time.Second {
		return errors.New("it is a second or more")
	}
	return err
}

const (
	noPods    = "rl has no pods"
	noSecrets = "rl has no secrets; mount a file instead"
	noMaps    = "all containers of a user share one map of ids; UserNS=keep-id maps yours"
	noOwner   = "it belongs to root in containers, or to the owner of the image's folder that fills it"
	insecure  = "write insecure = true for the registry into registries.conf"
)

func containerKeys() map[string]translate {
	return map[string]translate{
		"AddCapability": each("--cap-add"), "AddDevice": flag("--device"), "AddHost": flag("--add-host"),
		"Annotation": each("--annotation"), "AppArmor": only("unconfined", "only root can load profiles"), "AutoUpdate": refuse("rl does not replace images by itself"),
		"CgroupsMode": only("split", "the container's group lies below the unit's"), "ContainerName": set(setName),
		"ContainersConfModule": refuse("rl does not read containers.conf"), "DNS": flag("--dns"), "DNSOption": flag("--dns-option"),
		"DNSSearch": flag("--dns-search"), "DropCapability": each("--cap-drop"), "Entrypoint": takeEntrypoint,
		"Environment": each("--env"), "EnvironmentFile": fileFlag("--env-file"),
		"EnvironmentHost": only("false", "name the variables in Environment, without a value"), "Exec": takeArgs, "ExposeHostPort": flag("--expose"),
		"GIDMap": refuse(noMaps), "GlobalArgs": refuse("they are Podman's own"),
		"Group": set(func(t *translation) *string { return &t.group }), "GroupAdd": flag("--group-add"),
		"HealthCmd": flag("--health-cmd"), "HealthInterval": flag("--health-interval"),
		"HealthLogDestination": only("local", "results are shown by rl inspect"), "HealthMaxLogCount": only("5", "five results are kept"),
		"HealthMaxLogSize": refuse("4096 bytes are kept of each result"), "HealthOnFailure": flag("--health-on-failure"),
		"HealthRetries": flag("--health-retries"), "HealthStartPeriod": flag("--health-start-period"),
		"HealthStartupCmd": refuse("use HealthStartPeriod"), "HealthStartupInterval": flag("--health-start-interval"),
		"HealthStartupRetries": refuse("use HealthStartPeriod"), "HealthStartupSuccess": refuse("use HealthStartPeriod"),
		"HealthStartupTimeout": refuse("use HealthStartPeriod"), "HealthTimeout": flag("--health-timeout"),
		"HostName": flag("--hostname"), "HttpProxy": yes(proxies()...), "Image": set(setOperand), "IP": flag("--ip"), "IP6": flag("--ip6"),
		"Label": each("--label"), "LogDriver": flag("--log-driver"), "LogOpt": flag("--log-opt"),
		"Mask": option("--security-opt", "mask="), "Memory": flag("--memory"), "Mount": takeMount, "Network": takeNetwork,
		"NetworkAlias": flag("--network-alias"), "NoNewPrivileges": yes("--security-opt=no-new-privileges"),
		"Notify": takeNotify, "PidsLimit": flag("--pids-limit"),
		"Pod": refuse(noPods), "PodmanArgs": takePodmanArgs, "PublishPort": flag("--publish"), "Pull": takePull,
		"ReadOnly": yes("--read-only"), "ReadOnlyTmpfs": yes("--tmpfs=/run", "--tmpfs=/tmp", "--tmpfs=/var/tmp"),
		"ReloadCmd": takeReload, "ReloadSignal": takeReloadSignal,
		"Retry": takeRetry, "RetryDelay": takeRetryDelay,
		"Rootfs": set(func(t *translation) *string { return &t.rootfs }), "RunInit": yes("--init"), "SeccompProfile": option("--security-opt", "seccomp="),
		"Secret": refuse(noSecrets), "SecurityLabelDisable": yes("--security-opt=label=disable"),
		"SecurityLabelFileType": option("--security-opt", "label=filetype:"), "SecurityLabelLevel": option("--security-opt", "label=level:"),
		"SecurityLabelNested": yes("--security-opt=label=nested"), "SecurityLabelType": option("--security-opt", "label=type:"),
		"ServiceName": takeServiceName, "ShmSize": flag("--shm-size"), "StartWithPod": refuse(noPods),
		"StopSignal": flag("--stop-signal"), "StopTimeout": takeStop, "SubGIDMap": refuse(noMaps), "SubUIDMap": refuse(noMaps),
		"Sysctl": each("--sysctl"), "Timezone": takeTimezone, "Tmpfs": flag("--tmpfs"), "UIDMap": refuse(noMaps),
		"Ulimit": flag("--ulimit"), "Unmask": option("--security-opt", "unmask="),
		"User": set(func(t *translation) *string { return &t.user }), "UserNS": flag("--userns"), "Volume": takeVolume,
		"WorkingDir": flag("--workdir"),
	}
}

func volumeKeys() map[string]translate {
	return map[string]translate{
		"ContainersConfModule": refuse("rl does not read containers.conf"), "Copy": only("true", "write nocopy where a container mounts it"), "Device": option("--opt", "device="),
		"Driver": only("local", "without root there are no others"), "GlobalArgs": refuse("they are Podman's own"), "Group": refuse(noOwner),
		"Image": refuse("volumes are not made from images"), "Label": each("--label"), "Options": option("--opt", "o="),
		"PodmanArgs": takePodmanArgs, "ServiceName": takeServiceName, "Type": only("none", "only root can mount others; that is for Options=bind and a Device"),
		"User": refuse(noOwner), "VolumeName": set(setName),
	}
}

func networkKeys() map[string]translate {
	return map[string]translate{
		"ContainersConfModule": refuse("rl does not read containers.conf"), "DisableDNS": only("false", "containers find each other by name"),
		"DNS": refuse("give it to the containers"), "Driver": only("bridge", "the others need root"), "Gateway": flag("--gateway"),
		"GlobalArgs": refuse("they are Podman's own"), "InterfaceName": refuse("rl names its interfaces"), "Internal": yes("--internal"),
		"IPAMDriver": only("host-local", "addresses are rl's to give"), "IPRange": flag("--ip-range"), "IPv6": yes("--ipv6"), "Label": each("--label"),
		"NetworkDeleteOnStop": takeDeleteOnStop, "NetworkName": set(setName), "Options": flag("--opt"), "PodmanArgs": takePodmanArgs,
		"ServiceName": takeServiceName, "Subnet": flag("--subnet"),
	}
}

func imageKeys() map[string]translate {
	return map[string]translate{
		"AllTags": yes("--all-tags"), "Arch": set(setArch), "AuthFile": takeAuthFile, "CertDir": refuse("put the files into certs.d"),
		"ContainersConfModule": refuse("rl does not read containers.conf"), "Creds": refuse("name a file in AuthFile, or use rl login"), "DecryptionKey": refuse("images are not decrypted"),
		"GlobalArgs": refuse("they are Podman's own"), "Image": set(setOperand), "ImageTag": set(setName), "OS": only("linux", "containers run on this kernel"), "PodmanArgs": takePodmanArgs,
		"Policy": takePolicy, "Retry": takeRetry, "RetryDelay": takeRetryDelay,
		"ServiceName": takeServiceName, "TLSVerify": only("true", insecure), "Variant": set(setVariant),
	}
}

func buildKeys() map[string]translate {
	return map[string]translate{
		"Annotation": each("--annotation"), "Arch": set(setArch), "AuthFile": takeAuthFile,
		"BuildArg": each("--build-arg"), "ContainersConfModule": refuse("rl does not read containers.conf"),
		"DNS": refuse("builds use the machine's"), "DNSOption": refuse("builds use the machine's"), "DNSSearch": refuse("builds use the machine's"),
		"Environment": refuse("write ENV in the Dockerfile"), "File": set(func(t *translation) *string { return &t.dockerfile }), "ForceRM": only("true", "nothing is left of a build that failed"),
		"GlobalArgs": refuse("they are Podman's own"), "GroupAdd": refuse("builds run as the Dockerfile says"), "IgnoreFile": refuse("name it .dockerignore"),
		"ImageTag": set(setName), "Label": each("--label"), "Network": flag("--network"), "PodmanArgs": takePodmanArgs, "Pull": takeBuildPull,
		"Retry": takeRetry, "RetryDelay": takeRetryDelay, "Secret": flag("--secret"),
		"ServiceName": takeServiceName, "SetWorkingDirectory": set(setOperand), "Target": flag("--target"),
		"TLSVerify": only("true", insecure), "Variant": set(setVariant), "Volume": refuse("use RUN --mount"),
	}
}
