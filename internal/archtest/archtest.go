// Package archtest has no code: its tests hold the shape of the program. They
// check which package may import which, what the small program must not link,
// and that every package says what it is for.
package archtest
