package spec

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
)

// setLabels combines the image's labels with --label-file and --label, and takes over --annotation.
func (b *builder) setLabels() error {
	labels := maps.Clone(b.img.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, name := range b.opts.LabelFiles {
		if err := b.readLabelFile(labels, name); err != nil {
			return err
		}
	}
	if err := ParseLabels(labels, "--label", b.opts.Labels); err != nil {
		return err
	}
	if len(labels) > 0 {
		b.facts.Labels = labels
	}
	if err := ParseLabels(b.spec.Annotations, "--annotation", b.opts.Annotations); err != nil {
		return err
	}
	if _, taken := b.spec.Annotations[factsAnnotation]; taken {
		return fmt.Errorf("--annotation %s: that key is rl's own", factsAnnotation)
	}
	return nil
}

func (b *builder) readLabelFile(labels map[string]string, name string) error {
	text, err := b.host.readFile(name)
	if err != nil {
		return fmt.Errorf("--label-file: %w", err)
	}
	lines, err := ParseEnvFile(bytes.NewReader(text), func(string) (string, bool) { return "", true })
	if err != nil {
		return fmt.Errorf("--label-file %s: %w", name, err)
	}
	return ParseLabels(labels, "--label-file "+name, lines)
}

// ParseLabels adds each K=V of list (K alone is K=) to labels; flag is for the message.
func ParseLabels(labels map[string]string, flag string, list []string) error {
	for _, s := range list {
		key, value, _ := strings.Cut(s, "=")
		if strings.TrimSpace(key) == "" {
			return fmt.Errorf("%s %q: the key is empty; write KEY=VALUE", flag, s)
		}
		labels[key] = value
	}
	return nil
}
