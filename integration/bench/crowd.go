package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rl-project/rl/integration"
)

// crowd is how many containers and images there are for the lists.
const crowd = 200

// crowdTime is how long podman may take to make its own.
const crowdTime = 5 * time.Minute

// crowdFigures are the comparisons with many containers and images, which are
// made only before the first of them: the others are without.
func (s *stage) crowdFigures() []figure {
	one := fmt.Sprintf("crowd%d", crowd/2)
	var all []figure
	for _, args := range [][]string{{"ps", "-a"}, {"images"}, {"inspect", one}} {
		all = append(all, figure{
			title:      fmt.Sprintf("%s, %d containers and images", args[0], crowd),
			contenders: append([]contender{s.rlDoes(args...)}, s.podmanDoes(args...)...),
			goals:      []goal{{"podman", 1.0 / 4}},
		})
	}
	all[0].before = s.makeCrowd
	return all
}

// makeCrowd makes containers that were never started, and names of the one
// image.
func (s *stage) makeCrowd() error {
	var names []string
	for i := range crowd {
		name := fmt.Sprintf("crowd%d", i)
		names = append(names, "localhost/"+name+":1")
		if err := run(s.rl.Cmd("create", "--network", "none", "--name", name, integration.Image, "true")); err != nil {
			return err
		}
		if err := run(s.rl.Cmd("tag", integration.Image, names[i])); err != nil {
			return err
		}
	}
	if !s.podman {
		return nil
	}
	if err := run(s.peers.Tool("podman", append([]string{"tag", integration.Image}, names...)...)); err != nil {
		return err
	}
	loop := "for name in %s; do podman create --network none --name $name %s true >/dev/null || exit; done"
	short := strings.NewReplacer("localhost/", "", ":1", "").Replace(strings.Join(names, " "))
	return run(s.peers.Tool("sh", "-c", fmt.Sprintf(loop, short, integration.Image)).Within(crowdTime))
}
