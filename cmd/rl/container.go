package main

var containerCommands = []command{}
