package main

import "errors"

// runInside runs an rl command line in the user namespace.
func (a *app) runInside(args []string) error { return errors.New("not yet") }
