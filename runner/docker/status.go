package docker

import (
	"fmt"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/runner"
)

// Status is the sentence of `ps` about a container, "Up 3 minutes" for example.
func Status(v runner.View, now time.Time) string {
	switch v.Status {
	case runner.Created:
		return "Created"
	case runner.Running:
		return "Up " + units.HumanDuration(now.Sub(v.StartedAt)) + health(v.Health)
	case runner.Paused:
		return "Up " + units.HumanDuration(now.Sub(v.StartedAt)) + " (Paused)"
	case runner.Restarting:
		return fmt.Sprintf("Restarting (%d) %s", v.ExitCode, ago(v.FinishedAt, now))
	}
	if v.Status == runner.Dead {
		return "Dead"
	}
	text := fmt.Sprintf("Exited (%d)", v.ExitCode)
	if ended(v) {
		text += " " + ago(v.FinishedAt, now)
	}
	if why := v.Reason(); why != "" {
		text += ", " + why
	}
	return text
}

// health is what `ps` says of a running container's health.
func health(h runner.Healthiness) string {
	switch h {
	case "":
		return ""
	case runner.Starting:
		return " (health: starting)"
	}
	return " (" + string(h) + ")"
}

// ended reports whether it is known when the container ended. It is not for
// one that could not be started, nor for one whose monitor was killed: then
// FinishedAt is the end before.
func ended(v runner.View) bool {
	return !v.FinishedAt.IsZero() && !v.FinishedAt.Before(v.StartedAt)
}

func ago(t, now time.Time) string { return units.HumanDuration(now.Sub(t)) + " ago" }
