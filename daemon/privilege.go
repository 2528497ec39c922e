package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// dropRoot becomes the configured user after the ports are bound, for good:
// groups first, then group, then user, in every thread (package syscall does so).
// The admin socket and the data directory are given to that user before.
func (d *Daemon) dropRoot(context.Context) error {
	name := d.cfg.User
	if name == "" {
		return nil
	}
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err == nil && u.Username == name {
			return nil
		}
		return errors.New("user: only root can become another user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	if err := os.MkdirAll(d.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	for _, path := range append(d.owned, d.cfg.DataDir, d.cfg.Listen.Admin) {
		if err := os.Chown(path, uid, gid); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return fmt.Errorf("user: set groups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("user: set group: %w", err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("user: set user: %w", err)
	}
	if syscall.Setuid(0) == nil {
		return errors.New("user: root could not be given up")
	}
	return nil
}
