package main

import (
	"strings"
)

// defaultDetachKeys is Docker's way out of an attached container.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseDetachKeys reads keys such as "ctrl-p,ctrl-q": each a single character
// or ctrl- and one of a-z @ [ \ ] ^ _. No keys switch detaching off.
func parseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	var keys []byte
	for _, word := range strings.Split(s, ",") {
		key, ctrl := strings.CutPrefix(strings.ToLower(word), "ctrl-")
		if len(key) != 1 || ctrl && !strings.Contains("abcdefghijklmnopqrstuvwxyz@[\\]^_", key) {
			return nil, usagef("--detach-keys %q: give characters, or ctrl- and a letter or one of @[\\]^_, separated by commas", s)
		}
		switch {
		case ctrl && key[0] >= 'a':
			keys = append(keys, key[0]-'a'+1)
		case ctrl:
			keys = append(keys, key[0]-'@')
		default:
			keys = append(keys, word[0])
		}
	}
	return keys, nil
}
