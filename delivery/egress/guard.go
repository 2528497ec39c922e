package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Guard decides whether an address may be connected to. Names in the mail of
// strangers must not make us talk to our own network: it is the address that is
// judged, right before the connection, never the name. It is safe for
// concurrent use.
type Guard struct {
	allow []netip.Prefix
	own   []netip.Addr
	kinds []kind

	mu         sync.Mutex
	interfaces []netip.Addr
	read       time.Time
}

// NewGuard makes a guard that lets allow through besides the public addresses,
// and counts own, beside the addresses of the interfaces, as ourselves.
func NewGuard(allow []netip.Prefix, own []netip.Addr) *Guard {
	return &Guard{allow: slices.Clone(allow), own: slices.Clone(own), kinds: kinds()}
}

// Forbidden is why an address may not be connected to.
type Forbidden struct {
	Addr netip.Addr
	Why  string
}

// Error names the address and its kind. It is for the log.
func (f *Forbidden) Error() string {
	return fmt.Sprintf("address %s is %s", f.Addr, f.Why)
}

// Check gives nil or a *Forbidden.
func (g *Guard) Check(a netip.Addr) error {
	for _, p := range g.allow {
		if p.Contains(a) {
			return nil
		}
	}
	if why := g.special(a); why != "" {
		return &Forbidden{a, why}
	}
	if slices.Contains(g.own, a) || slices.Contains(g.ours(), a) {
		return &Forbidden{a, "our own"}
	}
	return nil
}

// ours gives the addresses of the interfaces, read at most once a minute.
func (g *Guard) ours() []netip.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.interfaces != nil && time.Since(g.read) < time.Minute {
		return g.interfaces
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return g.interfaces // what was true a minute ago is the best we have
	}
	g.interfaces = make([]netip.Addr, 0, len(list))
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				g.interfaces = append(g.interfaces, ip.Unmap())
			}
		}
	}
	g.read = time.Now()
	return g.interfaces
}

// kinds lists what is not a public unicast address, by the special-purpose
// registries of RFC 6890. IPv6 forms that wrap an IPv4 address are refused as a
// whole: no mail host needs one, and what is inside could be anything.
func kinds() []kind {
	return []kind{
		{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},           // RFC 791 section 3.2
		{netip.MustParsePrefix("10.0.0.0/8"), "private"},              // RFC 1918
		{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"}, // RFC 6598
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},            // RFC 1122 section 3.2.1.3
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},       // RFC 3927
		{netip.MustParsePrefix("172.16.0.0/12"), "private"},           // RFC 1918
		{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},           // RFC 6890 section 2.1
		{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},      // RFC 5737
		{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},     // RFC 7526
		{netip.MustParsePrefix("192.168.0.0/16"), "private"},          // RFC 1918
		{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},    // RFC 2544
		{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},   // RFC 5737
		{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},    // RFC 5737
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},           // RFC 5771
		{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},            // RFC 1112 section 4
		{netip.MustParsePrefix("::/96"), "unspecified or loopback"},   // RFC 4291 section 2.5
		{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped"},       // RFC 4291 section 2.5.5.2
		{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4-translated"}, // RFC 2765
		{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},              // RFC 6052
		{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64"},            // RFC 8215
		{netip.MustParsePrefix("100::/64"), "a black hole"},           // RFC 6666
		{netip.MustParsePrefix("2001::/32"), "Teredo"},                // RFC 4380
		{netip.MustParsePrefix("2001::/23"), "reserved"},              // RFC 2928
		{netip.MustParsePrefix("2001:db8::/32"), "documentation"},     // RFC 3849
		{netip.MustParsePrefix("2002::/16"), "6to4"},                  // RFC 3056
		{netip.MustParsePrefix("3fff::/20"), "documentation"},         // RFC 9637
		{netip.MustParsePrefix("5f00::/16"), "for segment routing"},   // RFC 9602
		{netip.MustParsePrefix("fc00::/7"), "private"},                // RFC 4193
		{netip.MustParsePrefix("fe80::/10"), "link-local"},            // RFC 4291 section 2.5.6
		{netip.MustParsePrefix("fec0::/10"), "site-local"},            // RFC 3879
		{netip.MustParsePrefix("ff00::/8"), "multicast"},              // RFC 4291 section 2.7
	}
}

type kind struct {
	prefix netip.Prefix
	why    string
}

// special says what kind of address a is when it is not public unicast.
func (g *Guard) special(a netip.Addr) string {
	if !a.IsValid() {
		return "no address"
	}
	if a.Zone() != "" {
		return "link-local"
	}
	if a.Is4In6() {
		return "IPv4-mapped" // netip keeps it apart from any prefix
	}
	for _, k := range g.kinds {
		if k.prefix.Contains(a) {
			return k.why
		}
	}
	// Only 2000::/3 is handed out (RFC 4291 section 2.4 and IANA's registry).
	if a.Is6() && a.As16()[0]>>5 != 1 {
		return "reserved"
	}
	return ""
}
