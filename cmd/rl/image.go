package main

// imageCommands work on images; they run inside the user namespace, in the
// program that links containers/storage and containers/image.
var imageCommands = []command{}
