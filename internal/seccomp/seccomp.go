// Package seccomp turns a seccomp profile into the program that the kernel runs on every system call of a
// container: classic BPF, made here, without libseccomp.
package seccomp
