// Package check tells what of rl works on this machine for this person: every kernel feature, id map,
// controller, helper program, setting and limit that rl uses, what it costs where one is missing, and what an
// administrator can do about it.
//
// It looks at files of /proc, /sys and /etc and tries things out in forked children with namespaces of their
// own. It changes nothing, and works where user namespaces are forbidden altogether: to say why.
//
// Called outside rl's user namespace.
package check

import (
	"context"
	"time"
)

// Status is how well something works.
type Status string

// The three states of an Item.
const (
	OK       Status = "ok"
	Degraded Status = "degraded" // rl runs, and something is slower or refused
	Missing  Status = "missing"  // containers do not run without it
)

// Item is one thing that rl uses.
type Item struct {
	Group  string `json:"group"` // the heading it stands under
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`          // what is there
	Cost   string `json:"cost,omitempty"` // what does not work, empty for OK
	Fix    Fix    `json:"-"`              // for an administrator
	Remedy string `json:"remedy,omitempty"`
}

// Report is everything that was looked at.
type Report struct {
	User    string `json:"user"`
	Kernel  string `json:"kernel"`
	System  string `json:"system"`
	Program string `json:"program"`
	Items   []Item `json:"items"`
	Script  string `json:"script"` // for an administrator, empty when there is nothing to do
}

// patience bounds everything that waits for another program.
const patience = 10 * time.Second

// Run looks at everything. program is the absolute path of rl's own file, which an AppArmor profile names.
func Run(ctx context.Context, program string) Report {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return run(ctx, thisMachine(program))
}

func run(ctx context.Context, m *machine) Report {
	r := Report{User: m.user, Kernel: m.kernel, System: m.distro.name, Program: m.program}
	for _, g := range []struct {
		name string
		look func(context.Context, *machine) []Item
	}{
		{"User namespace", userNamespace}, // first: it tells the others whether they can try
		{"Kernel", kernel},
		{"File systems", fileSystems},
		{"Control groups", controlGroups},
		{"Network", network},
		{"Session", session},
		{"Limits", limits},
	} {
		for _, item := range g.look(ctx, m) {
			item.Group = g.name
			r.Items = append(r.Items, item)
		}
	}
	r.Script = script(m, r.Items)
	return r
}

// Count is how many items have a status.
func (r Report) Count(s Status) int {
	n := 0
	for _, i := range r.Items {
		if i.Status == s {
			n++
		}
	}
	return n
}

// good is an item that works.
func good(name, found string) Item { return Item{Name: name, Status: OK, Found: found} }
