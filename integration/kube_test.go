package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// strict reads one document into a type of Kubernetes, which must know every key.
func strict[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatalf("Kubernetes does not read this: %v\n%s", err, text)
	}
	return v
}

func TestKubeGeneratePod(t *testing.T) {
	e := AsUser(t)
	name, file, volume := e.Name(t), e.File(t, "app.conf", "key: \"value\"\n# yes\n"), "vol"+e.Name(t)
	e.OK(t, "create", "--name", name, "--restart", "on-failure", "-e", "A=true", "-e", "B=two words: #3", "-p", "8080:80",
		"--memory", "64m", "--cpus", "1.5", "-v", volume+":/data", "-v", file+":/etc/app.conf:ro", "--tmpfs", "/scratch",
		"--cap-drop", "ALL", "--cap-add", "net_bind_service", "--user", "7:8", "--read-only", "--security-opt", "no-new-privileges",
		"--health-cmd", "test -e /up", "--health-interval", "5s", "--stop-signal", "INT", "--stop-timeout", "20", "--ulimit", "nofile=100",
		"-l", "tier=web", Image, "sh", "-c", "echo 'yes' | cat; sleep 1000")
	t.Cleanup(func() { e.OK(t, "rm", "-v", name); e.Run(t, "volume", "rm", volume) })
	r := e.Run(t, "kube", "generate", "--service", name)
	r.OK(t)
	for _, note := range []string{"--ulimit nofile=100", "--stop-signal INT", "volume " + volume} {
		if !strings.Contains(r.Err, "rl: not carried over: "+name+": "+note) && !strings.Contains(r.Err, "rl: not carried over: "+note) {
			t.Errorf("no note about %q in\n%s", note, r.Err)
		}
	}
	docs := strings.Split(r.Out, "---\n")
	if len(docs) != 4 {
		t.Fatalf("%d documents:\n%s", len(docs), r.Out)
	}
	config := strict[core.ConfigMap](t, docs[0])
	if len(config.Data) != 1 {
		t.Errorf("%v", config.Data)
	}
	for _, text := range config.Data {
		if text != "key: \"value\"\n# yes\n" {
			t.Errorf("the file is %q", text)
		}
	}
	if claim := strict[core.PersistentVolumeClaim](t, docs[1]); claim.Name != volume || claim.Spec.Resources.Requests.Storage().String() != "1Gi" {
		t.Errorf("%+v", claim)
	}
	checkPod(t, strict[core.Pod](t, docs[2]), name, volume)
	service := strict[core.Service](t, docs[3])
	if p := service.Spec.Ports; len(p) != 1 || p[0].Port != 8080 || p[0].TargetPort.IntVal != 80 || service.Spec.Selector["app"] != name {
		t.Errorf("%+v", service.Spec)
	}
}

func checkPod(t *testing.T, pod core.Pod, name, volume string) {
	t.Helper()
	if pod.Name != name || pod.Labels["tier"] != "web" || pod.Spec.RestartPolicy != core.RestartPolicyOnFailure || *pod.Spec.TerminationGracePeriodSeconds != 20 {
		t.Errorf("%+v", pod)
	}
	c := pod.Spec.Containers[0]
	if c.Command != nil || len(c.Args) != 3 || c.Args[2] != "echo 'yes' | cat; sleep 1000" || !strings.Contains(c.Image, "/") {
		t.Errorf("command %q args %q image %q", c.Command, c.Args, c.Image)
	}
	if len(c.Env) != 2 || c.Env[0].Value != "true" || c.Env[1].Value != "two words: #3" {
		t.Errorf("environment %v", c.Env)
	}
	if c.Resources.Limits.Memory().Value() != 64<<20 || c.Resources.Limits.Cpu().MilliValue() != 1500 {
		t.Errorf("limits %v", c.Resources.Limits)
	}
	s := c.SecurityContext
	if *s.RunAsUser != 7 || *s.RunAsGroup != 8 || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || s.Capabilities.Drop[0] != "ALL" || s.Capabilities.Add[0] != "NET_BIND_SERVICE" {
		t.Errorf("security %+v", s)
	}
	if p := c.LivenessProbe; p.Exec.Command[2] != "test -e /up" || p.PeriodSeconds != 5 {
		t.Errorf("probe %+v", p)
	}
	if len(c.VolumeMounts) != 3 || len(pod.Spec.Volumes) != 3 || c.VolumeMounts[0].Name != volume || !c.VolumeMounts[1].ReadOnly || c.VolumeMounts[1].SubPath == "" {
		t.Errorf("mounts %+v of %+v", c.VolumeMounts, pod.Spec.Volumes)
	}
}

// Names that are one in Kubernetes, where less is allowed in them, are kept apart, and
// what Kubernetes would replace in words stays as it is.
func TestKubeGenerateKeepsThingsApart(t *testing.T) {
	e := AsUser(t)
	id, dir := e.Name(t), e.Folder(t)
	for name, text := range map[string]string{"a/b c": "one", "a-b c": "two", "run": "#!/bin/sh\n"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	e.OK(t, "create", "--name", "1_"+id, "--stop-timeout", "0", "-p", "80:80", "-p", "127.0.0.1:81:80/udp", "-e", "TEXT=a\x7f$$(HOME)", "-e", "not ours=1",
		"-v", "files:/files", "-v", "a_"+id+":/one", "-v", "a."+id+":/two", "--tmpfs", "/t:size=1m", "-l", "app=mine", "--add-host", "db:10.0.0.1", "--shm-size", "1m",
		"--uts", "host", "--log-opt", "max-size=1m", "--health-on-failure", "stop", "--health-cmd", "echo $$",
		"-v", dir+"/a/b c:/x", "-v", dir+"/a-b c:/y:ro", "-v", dir+"/run:/run.sh", Image, "echo", "$$ $HOME $(HOME)")
	e.OK(t, "create", "--name", "1."+id, "-p", "1080:80", "-p", "127.0.0.1:80:8080", "--tmpfs", "/t", Image, "true")
	t.Cleanup(func() { e.OK(t, "rm", "1_"+id, "1."+id); e.OK(t, "volume", "rm", "files", "a_"+id, "a."+id) })
	r := e.Run(t, "kube", "generate", "--service", "1_"+id, "1."+id)
	r.OK(t)
	for _, note := range []string{"--add-host db:10.0.0.1", "--shm-size 1m", "--uts host", "--log-opt", "--health-on-failure stop", "label app=mine", `"not ours"`,
		"port 80 is published on 127.0.0.1", "port 80/tcp: the Service has one", dir + "/a/b c cannot be written"} {
		if !strings.Contains(r.Err, note) {
			t.Errorf("no note about %q in\n%s", note, r.Err)
		}
	}
	docs := strings.Split(r.Out, "---\n")
	if len(docs) != 6 {
		t.Fatalf("%d documents:\n%s", len(docs), r.Out)
	}
	pod, files := strict[core.Pod](t, docs[4]), strict[core.ConfigMap](t, docs[0])
	checkApart(t, pod, files)
	if service := strict[core.Service](t, docs[5]); !strings.HasPrefix(service.Name, "svc-1-") || len(service.Spec.Ports) != 3 {
		t.Errorf("service %+v", service)
	}
	e.Run(t, "kube", "generate", "--name", "___", "1_"+id).Exits(t, 125).Says(t, "___", "--name")
}

func checkApart(t *testing.T, pod core.Pod, files core.ConfigMap) {
	t.Helper()
	one, two := pod.Spec.Containers[0], pod.Spec.Containers[1]
	if *pod.Spec.TerminationGracePeriodSeconds != 0 || one.Name == two.Name {
		t.Errorf("grace %d, names %s %s", *pod.Spec.TerminationGracePeriodSeconds, one.Name, two.Name)
	}
	if len(one.Env) != 1 || one.Env[0].Value != "a\x7f$$$$(HOME)" || one.Args[1] != "$$$ $HOME $$(HOME)" || one.LivenessProbe.Exec.Command[2] != "echo $$$" {
		t.Errorf("environment %q, args %q, probe %q", one.Env, one.Args, one.LivenessProbe.Exec.Command)
	}
	volumes, shown := map[string]core.Volume{}, map[string]core.VolumeMount{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = v
	}
	if len(volumes) != 6 || len(volumes) != len(pod.Spec.Volumes) {
		t.Errorf("volumes %+v", pod.Spec.Volumes)
	}
	for _, m := range one.VolumeMounts {
		shown[m.MountPath] = m
	}
	for path, text := range map[string]string{"/x": "one", "/y": "two", "/run.sh": "#!/bin/sh\n"} {
		config := volumes[shown[path].Name].ConfigMap
		if config == nil || config.Name != files.Name || *config.DefaultMode != 0o755 || files.Data[shown[path].SubPath] != text || strings.Contains(shown[path].SubPath, " ") {
			t.Errorf("%s: %+v %+v", path, shown[path], config)
		}
	}
	if volumes[shown["/files"].Name].PersistentVolumeClaim == nil || shown["/one"].Name == shown["/two"].Name {
		t.Errorf("claims %+v", shown)
	}
	if size := volumes[shown["/t"].Name].EmptyDir.SizeLimit; size.Value() != 1<<20 || two.VolumeMounts[0].Name == shown["/t"].Name {
		t.Errorf("memory %v %+v", size, two.VolumeMounts)
	}
}

// Kubernetes runs images, not folders.
func TestKubeGenerateRefusesAFolder(t *testing.T) {
	e := AsUser(t)
	name, root := e.Name(t), e.Folder(t)
	e.OK(t, "create", "--name", name, "--rootfs", root+":O", "/bin/true")
	e.Run(t, "kube", "generate", name).Exits(t, 125).Says(t, "--rootfs", "rl import")
	e.OK(t, "rm", name)
}

func TestKubeGenerateDeployment(t *testing.T) {
	e := AsUser(t)
	a, b := e.Name(t), e.Name(t)
	e.OK(t, "create", "--name", a, "--restart", "always", Image, "sleep", "1000")
	e.OK(t, "create", "--name", b, Image, "sleep", "1000")
	r := e.Run(t, "kube", "generate", "--type", "deployment", "--replicas", "3", "--name", "both", a, b)
	r.OK(t)
	d := strict[apps.Deployment](t, r.Out)
	if *d.Spec.Replicas != 3 || d.Name != "both" || len(d.Spec.Template.Spec.Containers) != 2 || d.Spec.Template.Labels["app"] != d.Spec.Selector.MatchLabels["app"] {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(r.Err, b+": --restart is that of "+a) {
		t.Errorf("notes %q", r.Err)
	}
	e.Run(t, "kube", "generate", "--replicas", "2", a).Exits(t, 125).Says(t, "--type deployment")
	e.Run(t, "kube", "generate", "nobody").Exits(t, 125).Says(t, "no such container")
	e.OK(t, "rm", a, b)
}
