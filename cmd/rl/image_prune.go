package main

// Run asks before the user namespace is entered; there the answer has been given.
func (c *imagePruneCmd) Run(a *app) error {
	if a.inside() {
		return c.runInside(a)
	}
	what := "all dangling images"
	if c.All {
		what = "all images without at least one container associated to them"
	}
	if !c.Force && !a.confirm("This will remove "+what+".") {
		return nil
	}
	args := []string{"image prune", "--force"}
	if c.All {
		args = append(args, "--all")
	}
	for _, f := range c.Filter {
		args = append(args, "--filter", f)
	}
	return a.runInside(inFull, args)
}
