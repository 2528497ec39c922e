package daemon

import (
	"cmp"
	"strings"

	"github.com/sesame-mta/sesame/delivery/simulator"
)

// simulated gives the domains of the mailbox simulator.
func (d *Daemon) simulated() simulator.Domains {
	own := cmp.Or(d.cfg.Service.SimulatorDomain, "simulator."+d.serviceDomain())
	return simulator.Domains{simulator.AmazonDomain, strings.ToLower(own)}
}
