package mta

import "syscall"

// ownGroup gives a process its own group, and SIGTERM when its starter ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
