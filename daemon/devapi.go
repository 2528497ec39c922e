package daemon

import (
	"net"
	"net/netip"
	"strconv"
)

// devAPIPort is the port of the HTTP API of a developer's server.
const devAPIPort = 8005

// Region gives the region that signatures must name.
func (d *Dev) Region() string { return d.cfg.Region }

// devAPI says where a developer's server has the HTTP API: in clear text where
// nobody else can listen, and nowhere when something else has the port.
func devAPI(o DevOptions) string {
	addr := net.JoinHostPort(o.Host, strconv.Itoa(devAPIPort+o.PortOffset))
	if !free(addr) {
		return ""
	}
	if ip, err := netip.ParseAddr(o.Host); err == nil && ip.IsLoopback() {
		return "http://" + addr
	}
	return "https://" + addr
}
