package integration

import (
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
