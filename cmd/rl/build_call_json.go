//go:build !split && containers_image_openpgp

package main

import (
	"encoding/json"
	"errors"

	"github.com/rl-project/rl/build"
)

// The answers to --call as JSON have the fields that BuildKit gives them.
type (
	targetsAnswer struct {
		Targets []build.Target `json:"targets"`
		Sources [][]byte       `json:"sources"`
	}
	outlineAnswer struct {
		build.Target
		Sources [][]byte `json:"sources,omitempty"`
	}
	checksAnswer struct {
		Warnings []warningAnswer `json:"warnings"`
		Sources  []sourceAnswer  `json:"sources"`
		Error    *errorAnswer    `json:"buildError,omitempty"`
	}
	warningAnswer struct {
		RuleName    string          `json:"ruleName"`
		Description string          `json:"description,omitempty"`
		URL         string          `json:"url,omitempty"`
		Detail      string          `json:"detail,omitempty"`
		Location    *build.Location `json:"location,omitempty"`
	}
	sourceAnswer struct {
		Filename string `json:"filename"`
		Language string `json:"language"`
		Data     []byte `json:"data"`
	}
	errorAnswer struct {
		Message  string         `json:"message"`
		Location build.Location `json:"location"`
	}
)

// printJSON prints an answer, with the lines set in as Docker has them.
func (a *app) printJSON(answer any) error {
	data, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return err
	}
	a.printf("%s\n", data)
	return nil
}

// printChecksJSON prints what is against the rules, or what kept the file from being
// read, and fails if there is anything.
func (a *app) printChecksJSON(o build.Options, found []build.Warning, broken error) error {
	answer := checksAnswer{Warnings: []warningAnswer{}, Sources: []sourceAnswer{{o.FileName, "Dockerfile", o.File}}}
	for _, w := range found {
		answer.Warnings = append(answer.Warnings, warningAnswer{w.Rule, w.Description, w.URL, w.Text, build.LocationOf(w.Where)})
	}
	if broken != nil {
		answer.Error = &errorAnswer{Message: broken.Error()}
		if failed := new(build.StepError); errors.As(broken, &failed) {
			at := build.Position{Line: failed.Line}
			answer.Error.Message, answer.Error.Location.Ranges = failed.Err.Error(), []build.Range{{Start: at, End: at}}
		}
	}
	if err := a.printJSON(answer); err != nil || len(found) == 0 && broken == nil {
		return err
	}
	return &exitError{code: 1}
}
