//go:build !linux

package mta

import "syscall"

// ownGroup gives a process its own group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
