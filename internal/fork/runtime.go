package fork

import _ "unsafe" // for go:linkname

// The hooks by which package syscall tells the Go runtime of a fork: signals
// are held back across it, and the child gets default signal handlers.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()
