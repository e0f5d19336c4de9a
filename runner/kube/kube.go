// Package kube describes containers as Kubernetes does, for what has outgrown
// one machine: a Pod or a Deployment, a Service for published ports, a
// PersistentVolumeClaim for each volume and a ConfigMap for mounted files.
//
// It carries none of the types of Kubernetes, which are as large as rl; its
// tests check the text against them.
package kube

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/rl-project/rl/runner"
)

// Options say what to write.
type Options struct {
	// Name is that of the Pod or Deployment; "" for the first container's.
	Name string
	// Deployment asks for one of Replicas pods instead of a Pod.
	Deployment bool
	Replicas   int
	// Service adds one for the published ports.
	Service bool
	// ClaimSize is how much each PersistentVolumeClaim asks for, "1Gi" for example.
	ClaimSize string
	// ReadFile returns the content of a mounted file of the host and whether it
	// can be executed, or an error for what is no text or too large for a ConfigMap.
	ReadFile func(path string) (text string, executable bool, err error)
	// IsFile reports whether a path of the host is a regular file.
	IsFile func(path string) bool
	// ImageName completes the name of an image.
	ImageName func(name string) string
}

// generator collects the objects of one pod.
type generator struct {
	Options
	pod     object // the PodSpec but for its containers and volumes
	volumes []object
	claims  []object
	files   object // of the ConfigMap
	filled  int    // bytes in them
	program bool   // one of them is to be executed
	ports   []object
	notes   []string

	containers, storage, keys names // of containers, volumes and files
}

// Generate describes containers as one pod. The notes name what could not be
// carried over.
func Generate(views []runner.View, o Options) (text string, notes []string, err error) {
	if len(views) == 0 {
		return "", nil, errors.New("no containers to describe")
	}
	if o.Name == "" {
		o.Name = views[0].Name
	}
	asked := o.Name
	if o.Name = label(asked); o.Name == "" {
		return "", nil, fmt.Errorf("%q is no name in Kubernetes: give --name one of letters, digits and dashes", asked)
	}
	g := &generator{Options: o, containers: newNames(), storage: newNames(), keys: newNames()}
	var containers []object
	for i, v := range views {
		if v.RootFS.ID == "" {
			return "", nil, fmt.Errorf("container %s runs a folder (--rootfs), and Kubernetes runs images: rl import makes one", v.Name)
		}
		if i > 0 {
			g.compare(views[0], v)
		}
		containers = append(containers, g.container(v))
	}
	g.podOf(views[0])
	g.addFiles()
	g.pod.add("containers", containers)
	g.pod.add("volumes", g.volumes)
	return documents(g.objects(views[0])), g.notes, nil
}

func (g *generator) note(v runner.View, format string, args ...any) {
	g.notes = append(g.notes, v.Name+": "+fmt.Sprintf(format, args...))
}

// objects are the documents in the order in which a cluster needs them.
func (g *generator) objects(first runner.View) []object {
	var list []object
	if len(g.files) > 0 {
		list = append(list, object{{"apiVersion", "v1"}, {"kind", "ConfigMap"},
			{"metadata", object{{"name", g.Name + "-files"}}}, {"data", g.files}})
	}
	list = append(list, g.claims...)
	labels := g.labels(first)
	meta := object{{"name", g.Name}, {"labels", labels}}
	if g.Deployment {
		list = append(list, object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"metadata", meta}, {"spec", object{
			{"replicas", max(g.Replicas, 1)},
			{"selector", object{{"matchLabels", object{{"app", g.Name}}}}},
			{"template", object{{"metadata", object{{"labels", labels}}}, {"spec", g.pod}}},
		}}})
	} else {
		list = append(list, object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", meta}, {"spec", g.pod}})
	}
	if g.Service && len(g.ports) > 0 {
		list = append(list, object{{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", object{{"name", serviceName(g.Name)}}},
			{"spec", object{{"selector", object{{"app", g.Name}}}, {"ports", g.ports}}}})
	}
	return list
}

// labels are those of the first container that Kubernetes accepts too.
func (g *generator) labels(v runner.View) object {
	labels := object{{"app", g.Name}}
	labelValue := regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
	labelKey := regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	for _, key := range sorted(v.Config.Labels) {
		value := v.Config.Labels[key]
		if key != "app" && labelKey.MatchString(key) && labelValue.MatchString(value) {
			labels = append(labels, field{key, value})
		} else if key == "app" && value != g.Name {
			g.note(v, "label app=%s: it is %s there, by which Services find the pods", value, g.Name)
		} else if key != "app" && v.RootFS.Config.Labels[key] != value {
			g.note(v, "label %s is no label in Kubernetes", key)
		}
	}
	return labels
}
