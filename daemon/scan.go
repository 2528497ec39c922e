package daemon

import (
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/dispatch/scan"
)

// newScanner gives what looks at accepted mail; nil is nothing.
func newScanner(c *config.Config) scan.Scanner {
	network, address := config.ClamdAddr(c.Scan.Clamd)
	if network == "" {
		return nil
	}
	return scan.NewClamd(scan.ClamdOptions{Network: network, Address: address, Timeout: c.Scan.Timeout})
}
