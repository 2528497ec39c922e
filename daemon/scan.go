package daemon

import (
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/dispatch/scan"
)

// scanner gives what looks at accepted mail; nil is nothing.
func (d *Daemon) scanner() scan.Scanner {
	network, address := config.ClamdAddr(d.cfg.Scan.Clamd)
	if network == "" {
		return nil
	}
	return scan.NewClamd(scan.ClamdOptions{Network: network, Address: address, Timeout: d.cfg.Scan.Timeout})
}
