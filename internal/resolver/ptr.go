package resolver

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"
)

// PTR gives the names of an address, in lower case without the final dot.
func (r *Resolver) PTR(ctx context.Context, addr netip.Addr) ([]string, Meta, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, Meta{}, &Error{Kind: BadName, Name: addr.String(), Type: "PTR"}
	}
	a, lookupErr := r.lookup(ctx, name, dns.TypePTR)
	if lookupErr != nil {
		return nil, Meta{}, lookupErr
	}
	list := make([]string, 0, len(a.rrs))
	for _, rr := range a.rrs {
		list = append(list, plain(rr.(*dns.PTR).Ptr))
	}
	return list, a.meta, nil
}

// Local reports whether every name server is on this machine: only then does it
// count what they say about DNSSEC.
func (r *Resolver) Local() bool {
	for _, s := range r.servers {
		if !s.trusted {
			return false
		}
	}
	return true
}
