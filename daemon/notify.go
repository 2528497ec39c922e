package daemon

import "github.com/coreos/go-systemd/v22/daemon"

// tell sends one state to the service manager, where there is one.
func (d *Daemon) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		d.log.Warn("service manager not told", "text", state, "err", err)
	}
}
