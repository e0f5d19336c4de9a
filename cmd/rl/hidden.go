package main

// hiddenCommands are rl's own processes; a person has no use for them.
var hiddenCommands = []command{}
