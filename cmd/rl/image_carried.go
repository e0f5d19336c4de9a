//go:build split || !containers_image_openpgp

package main

import "errors"

// errCarried cannot happen: the program that carries another one sends these
// commands to it.
var errCarried = errors.New("internal: this program cannot work on images")

func (c *imagesCmd) runFull(*app) error   { return errCarried }
func (c *loadCmd) runInside(*app) error   { return errCarried }
func (c *saveCmd) runInside(*app) error   { return errCarried }
func (c *importCmd) runInside(*app) error { return errCarried }

func (c *imagePruneCmd) runInside(*app) error { return errCarried }

func (a *app) inspectImage(string) (any, error) { return nil, errCarried }
func (c *cdiCmd) Run(*app) error                { return errCarried }
