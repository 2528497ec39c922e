package config

import (
	"path/filepath"
	"strings"
	"time"
)

// simulator checks the simulator's domain, whose mail never leaves.
func (l *loader) simulator() {
	c := &l.c.Service
	if l.host("service.simulator_domain", c.SimulatorDomain); l.wrong("service.simulator_domain") {
		return
	}
	for _, own := range []string{c.Domain, l.c.Hostname} {
		if own != "" && strings.EqualFold(c.SimulatorDomain, own) {
			l.fail("service.simulator_domain", "%q is the server's own; its mail would never arrive", own)
			break
		}
	}
}

func (l *loader) scan() {
	c := &l.c.Scan
	if c.Clamd != "" && !l.wrong("scan.clamd") {
		if network, _ := ClamdAddr(c.Clamd); network == "" {
			l.fail("scan.clamd", "%q is neither a socket, such as \"unix:/run/clamav/clamd.ctl\", nor a host and its port", c.Clamd)
		}
	}
	l.lasting("scan.timeout", c.Timeout, time.Second, time.Hour)
}

// ClamdAddr reads what scan.clamd holds, for net.Dial. The network is empty for
// what cannot be read.
func ClamdAddr(text string) (network, address string) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > maxSocket {
			return "", ""
		}
		return "unix", path
	}
	if _, _, ok := SplitHostPort(text); !ok {
		return "", ""
	}
	return "tcp", text
}
