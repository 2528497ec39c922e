package daemon

import "github.com/sesame-mta/sesame/account/identity"

// identityChanged hears of every new state of an identity.
func (d *Daemon) identityChanged(identity.Change) {}
