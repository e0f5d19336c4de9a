// Package dirs decides where rl keeps its files.
//
// There are two places: Runtime, which a reboot clears, for sockets, locks and
// facts about live processes, and Data, which stays, for containers.
// Both belong to the person alone (mode 0700) and are never trusted blindly:
// a folder of somebody else's, or one that others may write, is refused.
package dirs
