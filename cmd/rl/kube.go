package main

import (
	"errors"
	"fmt"
	"os"
	"unicode/utf8"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/kube"
	"github.com/rl-project/rl/storage"
)

var kubeCommands = []command{
	{
		name: "kube generate", aliases: []string{"generate kube"}, group: groupServices,
		summary: "Print Kubernetes YAML for containers as they are", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl kube generate web", "rl kube generate --type deployment --service web > web.yaml"},
		new:      func() any { return new(kubeGenerateCmd) },
	},
}

type kubeGenerateCmd struct {
	Type       string   `short:"t" default:"pod" enum:"pod,deployment" help:"pod or deployment."`
	Replicas   int      `default:"1" placeholder:"NUMBER" help:"Pods of a deployment."`
	Service    bool     `short:"s" help:"Add a Service for the published ports."`
	Name       string   `placeholder:"NAME" help:"Name of the pod, that of the first container if not given."`
	ClaimSize  string   `default:"1Gi" placeholder:"SIZE" help:"Storage to claim for each volume."`
	Filename   string   `short:"f" placeholder:"FILE" help:"Write to a new file instead of stdout."`
	Containers []string `arg:"" name:"container"`
}

// maxConfigFile is below what a ConfigMap holds, in bytes.
const maxConfigFile = 512 << 10

func (c *kubeGenerateCmd) Run(a *app) error {
	if c.Replicas != 1 && c.Type != "deployment" {
		return usagef("--replicas is for --type deployment: a pod is one")
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	var views []runner.View
	for _, ref := range c.Containers {
		v, err := store.Find(ref)
		if err != nil {
			return usagef("%w", err)
		}
		views = append(views, v)
	}
	text, notes, err := kube.Generate(views, kube.Options{
		Name: c.Name, Deployment: c.Type == "deployment", Replicas: c.Replicas, Service: c.Service, ClaimSize: c.ClaimSize,
		ReadFile: readConfigFile, IsFile: isFile, ImageName: fullImageName,
	})
	if err != nil {
		return usagef("%w", err)
	}
	for _, n := range notes {
		a.warnf("not carried over: %s", n)
	}
	if c.Filename == "" {
		a.printf("%s", text)
		return nil
	}
	f, err := os.OpenFile(c.Filename, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usagef("%w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func readConfigFile(path string) (text string, executable bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false, err
	}
	if info.Size() > maxConfigFile {
		return "", false, fmt.Errorf("%d bytes are too many for a ConfigMap", info.Size())
	}
	data, err := os.ReadFile(path)
	if err == nil && !utf8.Valid(data) {
		err = errors.New("not a text")
	}
	return string(data), info.Mode()&0o111 != 0, err
}

// fullImageName names the registry too: what a short name means is each
// cluster's own affair.
func fullImageName(name string) string {
	if full, err := storage.NormalizeReference(name); err == nil {
		return full
	}
	return name
}
